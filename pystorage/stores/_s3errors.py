"""What goes wrong on the way to S3: each fault told apart, with what to do."""

from __future__ import annotations

import errno
from typing import Any, Final


class S3Fault(OSError):
    """A request to S3 failed, for a reason that is not absence.

    Args:
        number: The errno that is nearest to it.
        why: What happened.
        todo: What to do.

    Raises:
        Nothing.
    """

    def __init__(self, number: int, why: str, todo: str) -> None:
        super().__init__(number, why)
        self.why = why
        self.todo = todo


_AGAIN: Final = "try again"


class NoObject(S3Fault):
    """There is no object of that name.

    Args:
        repeated: Whether the request was sent more than once, so that an earlier one may have removed it.

    Raises:
        Nothing.
    """

    def __init__(self, repeated: bool) -> None:
        super().__init__(errno.ENOENT, "there is no such object", "")
        self.repeated = repeated


class NoBucket(S3Fault):
    """There is no bucket of that name.

    Args:
        bucket: Its name.

    Raises:
        Nothing.
    """

    def __init__(self, bucket: str) -> None:
        todo = "make it, or write create_bucket=True to have it made"
        super().__init__(errno.ENOENT, f"there is no bucket {bucket!r}", todo)


class Denied(S3Fault):
    """These credentials may not do that.

    Args:
        said: What the server said.

    Raises:
        Nothing.
    """

    def __init__(self, said: str) -> None:
        why = (
            f"access was denied ({said}); without the right to list the bucket S3 says so of absent keys, too"
        )
        todo = "grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on the bucket"
        super().__init__(errno.EACCES, why, todo)


class Unmet(S3Fault):
    """The condition of a request did not hold, so nothing was done.

    Args:
        repeated: Whether the request was sent more than once, so that an earlier one may have done it.

    Raises:
        Nothing.
    """

    def __init__(self, repeated: bool) -> None:
        super().__init__(errno.ESTALE, "somebody else wrote meanwhile", _AGAIN)
        self.repeated = repeated


class NotThere(S3Fault):
    """The server has no such feature.

    Args:
        said: What the server said.

    Raises:
        Nothing.
    """

    def __init__(self, said: str) -> None:
        super().__init__(errno.ENOTSUP, f"the server cannot do this ({said})", "choose another server")


class NotS3(S3Fault):
    """What answers is no server of S3.

    Args:
        why: What tells so.

    Raises:
        Nothing.
    """

    def __init__(self, why: str) -> None:
        todo = "look at endpoint_url=, and whether a proxy or a page to log in answers in its place"
        super().__init__(errno.EPROTO, f"what answered is no server of S3 ({why})", todo)


class OutOfRange(S3Fault):
    """The object has no bytes there.

    Raises:
        Nothing.
    """

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "the object has no bytes there", _AGAIN)


class TooLarge(S3Fault):
    """The object is larger than the server takes.

    Args:
        said: What the server said.

    Raises:
        Nothing.
    """

    def __init__(self, said: str) -> None:
        super().__init__(errno.EFBIG, f"it is larger than the server takes ({said})", "write it as a stream")


_CREDENTIALS: Final = "the credentials are not accepted"
_NEW_CREDENTIALS: Final = "look at what boto3 finds in the environment, the profile or the role"
_BUSY: Final = "the server asks to slow down"
_LATER: Final = "send less at a time, or try again later; RetryStorage does so"

# Code of the answer → errno, what it means, what to do.
_CODES: Final[dict[str, tuple[int, str, str]]] = {
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401"),
        (errno.EACCES, _CREDENTIALS, _NEW_CREDENTIALS),
    ),
    **dict.fromkeys(
        (
            "SlowDown",
            "503",
            "ServiceUnavailable",
            "Throttling",
            "TooManyRequests",
            "429",
            "RequestLimitExceeded",
        ),
        (errno.EAGAIN, _BUSY, _LATER),
    ),
    "RequestTimeTooSkewed": (
        errno.EPERM,
        "the clocks of this machine and of the server differ too much",
        "set the clock of this machine",
    ),
    "InvalidObjectState": (
        errno.EACCES,
        "the object was moved to an archive",
        "restore it there before it is read",
    ),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"),
        (errno.EINVAL, "the bucket is in another region", "give region= as the bucket's own"),
    ),
    "BucketAlreadyExists": (
        errno.EEXIST,
        "the bucket belongs to somebody else",
        "choose a name of your own",
    ),
    "InvalidBucketName": (errno.EINVAL, "this cannot be the name of a bucket", "choose another name"),
}

# Exception of botocore → the same. What is listed first is nearer to the fault.
_KINDS: Final[dict[str, tuple[int, str, str]]] = {
    "NoCredentialsError": (errno.EACCES, "there are no credentials", _NEW_CREDENTIALS),
    "PartialCredentialsError": (errno.EACCES, "the credentials are not whole", _NEW_CREDENTIALS),
    "NoRegionError": (errno.EINVAL, "there is no region", "give region=, or set AWS_DEFAULT_REGION"),
    "EndpointConnectionError": (
        errno.ECONNREFUSED,
        "nobody answers there",
        "look at endpoint_url=, region= and the network",
    ),
    "ProxyConnectionError": (errno.ECONNREFUSED, "the proxy does not answer", "look at HTTPS_PROXY"),
    "SSLError": (
        errno.EPROTO,
        "the server could not be trusted",
        "look at its certificate and AWS_CA_BUNDLE",
    ),
    "ConnectTimeoutError": (
        errno.ETIMEDOUT,
        "nobody answered in time",
        "look at endpoint_url=, region= and the network",
    ),
    "ReadTimeoutError": (errno.ETIMEDOUT, "the answer did not come in time", _AGAIN),
    "ConnectionClosedError": (errno.ECONNRESET, "the connection was cut", _AGAIN),
    "IncompleteReadError": (errno.ECONNRESET, "the answer was cut short", _AGAIN),
    "ResponseStreamingError": (errno.ECONNRESET, "the answer was cut short", _AGAIN),
    "HTTPClientError": (errno.EIO, "the connection failed", _AGAIN),
    "ParamValidationError": (errno.EINVAL, "boto3 does not send this", "look at the name of the bucket"),
}


class Damaged(S3Fault):
    """What came is not what was stored.

    Args:
        said: What does not match.

    Raises:
        Nothing.
    """

    def __init__(self, said: str) -> None:
        super().__init__(errno.EIO, f"what came does not match its checksum ({said})", _AGAIN)


def translated(error: Exception, bucket: str) -> Exception:
    """Give what an exception of boto3 means.

    Args:
        error: What boto3 raised.
        bucket: The bucket that it was about.

    Returns:
        A fault, or one of the other exceptions here; what is none of boto3's comes back as it is.

    Raises:
        Nothing.
    """
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        return _of_answer(response, bucket)
    if type(error).__name__ == "FlexibleChecksumError":
        return Damaged(str(error))
    for kind in type(error).__mro__:
        if kind.__name__ in _KINDS and kind.__module__.startswith("botocore"):
            number, why, todo = _KINDS[kind.__name__]
            return S3Fault(number, f"{why} ({error})", todo)
    if isinstance(error, RecursionError):  # boto3 asks for the region of the bucket, and is sent on again
        return NotS3("it sends requests on to another place without an end")
    if type(error).__module__.startswith(("botocore", "urllib3")):
        return S3Fault(errno.EIO, f"{type(error).__name__}: {error}", _AGAIN)
    return error


def _of_answer(response: dict[str, Any], bucket: str) -> Exception:
    code = str(response["Error"].get("Code", ""))
    about = response.get("ResponseMetadata", {})
    status = about.get("HTTPStatusCode", 0)
    repeated = about.get("RetryAttempts", 0) > 0
    said = f"{status or ''} {code}: {response['Error'].get('Message') or 'no message'}".strip()
    match code:
        case "NoSuchKey" | "NoSuchUpload":
            return NoObject(repeated)
        case "NoSuchBucket":
            return NoBucket(bucket)
        case "AccessDenied" | "AllAccessDisabled" | "403" | "Forbidden":
            return Denied(said)
        case "PreconditionFailed" | "412":
            return Unmet(repeated)
        case _ if status == 409 and code != "BucketAlreadyExists":
            return Unmet(repeated)  # another write was under way
        case "NotImplemented" | "501" | "405" | "MethodNotAllowed":
            return NotThere(said)
        case "EntityTooLarge" | "413":
            return TooLarge(said)
        case "InvalidRange" | "416":
            return OutOfRange()
        case _ if status == 404:
            return NoObject(repeated)
    number, why, todo = (
        _CODES.get(code)
        or _CODES.get(str(status))
        or (errno.EIO, "the request failed", _AGAIN if status >= 500 else "")
    )
    return S3Fault(number, f"{why} (S3 answered {said})", todo)


def refused(fault: dict[str, Any], bucket: str) -> Exception:
    """Give what it means that one object of several was refused.

    Args:
        fault: Code and message, as S3 gives them in the answer to a request for several.
        bucket: The bucket that it was about.

    Returns:
        A fault, or one of the other exceptions here.

    Raises:
        Nothing.
    """
    return _of_answer({"Error": fault}, bucket)
