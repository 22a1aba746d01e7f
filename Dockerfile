# docker build --tag la2ds .                         a CPU is enough
# docker build --build-arg TORCH=cu128 --tag la2ds . with CUDA (run with --gpus all)
# docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" la2ds align a.mp4 b.mp4 --out ab.png
FROM python:3.13-slim-bookworm
ARG TORCH=cpu
# Libraries that OpenCV's wheel leaves to the system.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
# hadolint ignore=DL3013: the newest PyTorch that la2ds allows
RUN pip install --no-cache-dir "torch>=2.8" "torchvision>=0.23" --index-url "https://download.pytorch.org/whl/${TORCH}"
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY la2ds la2ds
COPY la2ds_cli la2ds_cli
COPY models models
RUN pip install --no-cache-dir . && rm -rf /src
ENV LA2DS_HOME=/data/.la2ds
WORKDIR /data
ENTRYPOINT ["la2ds"]
CMD ["--help"]
