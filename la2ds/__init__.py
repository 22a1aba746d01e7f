"""la2ds from Python: the steps of the command line as functions that return values.

    import la2ds

    project = la2ds.open("swings", create=True)
    la2ds.extract(project, ["anna.mp4", "ben.mp4"])
    aligned = la2ds.align(project, "anna", "ben")
    aligned.time_in_b(1.2)

These names are kept from version to version (docs/reference/python.md); `la2ds_cli` is the
implementation and may change. The functions do what the commands of the same names do, on the same
project directories, and work may go back and forth between the two.

An error that the user can correct is raised as `UserError`, with a message, a hint and the exit
code of the command line. Importing this package loads neither numpy nor torch. Neither the import
nor a call changes the state of the process: current folder, environment, threads, random numbers.
"""

from la2ds.analysis import align_all, angles, compare, offset, retrieve, transfer_labels
from la2ds.project import Project, open
from la2ds.steps import align, align_joints, embed, evaluate, extract, joints, save, train
from la2ds_cli import __version__
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.evaluation.figures import Evaluated
from la2ds_cli.evaluation.trained import Trained
from la2ds_cli.network.embedded import Embedded
from la2ds_cli.poses.extracted import Extracted

__all__ = ["ClipOptions", "Embedded", "Evaluated", "ExitCode", "Extracted", "Project", "Trained"]
__all__ += ["UserError", "__version__", "align", "align_all", "align_joints", "angles", "compare"]
__all__ += ["embed", "evaluate", "extract", "joints", "offset", "open", "retrieve", "save", "train"]
__all__ += ["transfer_labels"]
