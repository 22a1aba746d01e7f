"""Open a file on the web: https and http only, with errors that say whether to try again."""

import contextlib
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

_SCHEMES = ("https", "http")
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # HTTP status codes that may be temporary


class Refused(Exception):
    """This address cannot be used; the next one may work."""


class BrokenOff(Exception):
    """The transfer did not start or ended early; another attempt may succeed."""


def open_address(url: str, headers: Mapping[str, str], timeout: float) -> Any:
    """The response to a GET, an http.client.HTTPResponse with status 2xx or 416.

    timeout: seconds to connect, and longest time without a byte. Follows redirects and uses the
    proxies of the environment. Raises Refused and BrokenOff.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise Refused(f"{url}: neither https nor http")
    with network_errors(url):
        request = urllib.request.Request(url, headers=dict(headers))
        return _opener().open(request, timeout=timeout)


@contextlib.contextmanager
def network_errors(url: str) -> Iterator[None]:
    """Turn network errors into BrokenOff, if another attempt may succeed, or Refused."""
    name = host(url)
    try:
        yield
    except urllib.error.HTTPError as error:
        kind = BrokenOff if error.code in _TRY_AGAIN else Refused
        moved = f" ({error.reason})" if error.code < 400 else ""
        raise kind(f"{name}: HTTP {error.code}{moved}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror):
            raise Refused(f"{name}: unreachable") from error
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise Refused(f"{name}: {error.reason.verify_message}") from error
        raise BrokenOff(f"{name}: {_in_words(error.reason)}") from error
    except (OSError, http.client.HTTPException) as error:
        raise BrokenOff(f"{name}: {_in_words(error)}") from error
    except ValueError as error:  # not an address at all
        raise Refused(f"{url}: {error}") from error


def _in_words(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error) or type(error).__name__


def host(url: str) -> str:
    return urlsplit(url).netloc or url


class _Errors(urllib.request.HTTPErrorProcessor):
    """Lets 416 (range not satisfiable) through: it concerns the part, not the address."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response if response.status == 416 else super().http_response(request, response)

    https_response = http_response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to http or https, and never from https to http."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in _SCHEMES or (req.type == "https" and scheme != "https"):
            raise Refused(f"{host(req.full_url)}: redirects to {newurl}, which is not allowed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https only; the default opener also reads file: and ftp: addresses."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Errors(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener
