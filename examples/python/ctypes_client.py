"""Classifies 360 images of digits with nothing but Python's standard library.

usage: ctypes_client.py <libtritonserver.so> [<examples/digits>]
"""

import contextlib
import ctypes
import json
import pathlib
import queue
import sys
from ctypes import CFUNCTYPE, POINTER, byref
from ctypes import c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

CPU = 0
FP32 = 11
MODEL_CONTROL_EXPLICIT = 2
RESPONSE_FINAL = 1
PIXELS = 64
CLASSES = 10
ERROR_INVALID_ARG = 3

# The callbacks of TRITONSERVER_ResponseAllocatorNew and of requests.
Allocate = CFUNCTYPE(
    c_void_p, c_void_p, c_char_p, c_size_t, c_int, c_int64, c_void_p,
    POINTER(c_void_p), POINTER(c_void_p), POINTER(c_int), POINTER(c_int64),
)
Release = CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_int, c_int64)
OnResponse = CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)
OnRelease = CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)


class Triton:
    """TRITONSERVER_<name> as <name>(...), which raises what it returns as an error."""

    def __init__(self, path):
        self._library = ctypes.CDLL(path)
        for name in ("ErrorMessage", "ErrorCodeString"):
            getattr(self._library, f"TRITONSERVER_{name}").restype = c_char_p

    def __getattr__(self, name):
        function = getattr(self._library, f"TRITONSERVER_{name}")
        function.restype = c_void_p

        def call(*arguments):
            self.check(c_void_p(function(*arguments)))

        return call

    def error(self, message):
        """A new error, for a callback to return."""
        create = self._library.TRITONSERVER_ErrorNew
        create.restype = c_void_p
        return create(ERROR_INVALID_ARG, message.encode())

    def check(self, error):
        """Takes the error, if there is one."""
        if not error:
            return
        code = self._library.TRITONSERVER_ErrorCodeString(error).decode()
        message = self._library.TRITONSERVER_ErrorMessage(error).decode()
        self._library.TRITONSERVER_ErrorDelete(error)
        raise RuntimeError(f"{code}: {message}")

    def new(self, kind, *arguments):
        """The object that TRITONSERVER_<kind>New makes."""
        made = c_void_p()
        getattr(self, f"{kind}New")(byref(made), *arguments)
        return made

    def ask(self, question, *arguments):
        """The answer of TRITONSERVER_<question>, which is a message in JSON."""
        message, text, byte_size = c_void_p(), c_char_p(), c_size_t()
        getattr(self, question)(*arguments, byref(message))
        try:
            self.MessageSerializeToJson(message, byref(text), byref(byte_size))
            return json.loads(ctypes.string_at(text, byte_size.value))
        finally:
            self.MessageDelete(message)


def start_server(triton, repository):
    options = triton.new("ServerOptions")
    try:
        triton.ServerOptionsSetModelRepositoryPath(options, str(repository).encode())
        triton.ServerOptionsSetModelControlMode(options, MODEL_CONTROL_EXPLICIT)
        triton.ServerOptionsSetLogInfo(options, False)
        return triton.new("Server", options)
    finally:
        triton.ServerOptionsDelete(options)


def classify(triton, server, images, count):
    """The logits of all images, each a request of its own, all of them sent at once."""
    logits = (ctypes.c_float * (count * CLASSES))()
    # Callbacks come on the server's threads: they only hand over to this one.
    events = queue.SimpleQueue()

    @Allocate
    def allocate(_allocator, _name, byte_size, _type, _id, index, buffer, buffer_userp, type_, id_):
        row_byte_size = CLASSES * ctypes.sizeof(ctypes.c_float)
        if byte_size != row_byte_size:
            return triton.error(f"{byte_size} bytes are not the logits of one image")
        buffer[0] = ctypes.addressof(logits) + (index or 0) * row_byte_size
        buffer_userp[0], type_[0], id_[0] = None, CPU, 0

    @Release
    def keep(*_):
        return None

    @OnResponse
    def on_response(response, flags, _):
        events.put(("response", response, flags))

    @OnRelease
    def on_release(request, flags, _):
        events.put(("request", request, flags))

    allocator = triton.new("ResponseAllocator", allocate, keep, None)
    shape = (c_int64 * 4)(1, 1, 8, 8)
    image_byte_size = PIXELS * ctypes.sizeof(ctypes.c_float)

    def send(index):
        request = triton.new("InferenceRequest", server, b"digits", c_int64(-1))
        image = c_void_p(ctypes.addressof(images) + index * image_byte_size)
        try:
            triton.InferenceRequestAddInput(request, b"image", FP32, shape, c_uint64(4))
            triton.InferenceRequestAppendInputData(
                request, b"image", image, c_size_t(image_byte_size), CPU, c_int64(0)
            )
            triton.InferenceRequestSetReleaseCallback(request, on_release, None)
            triton.InferenceRequestSetResponseCallback(
                request, allocator, c_void_p(index), on_response, None
            )
            triton.ServerInferAsync(server, request, None)
        except RuntimeError:
            triton.InferenceRequestDelete(request)
            raise

    sent, errors = 0, []
    try:
        while sent < count:
            send(sent)
            sent += 1
    except RuntimeError as error:
        errors.append(error)
    # Whatever has failed: the server may call back, and write logits, until all of them are done.
    errors += finish(triton, events, sent)
    triton.ResponseAllocatorDelete(allocator)
    if errors:
        raise errors[0]
    return logits


def finish(triton, events, count):
    """Waits for `count` requests, which is a final response and a release each."""
    errors = []
    unfinished = 2 * count
    while unfinished > 0:
        kind, handle, flags = events.get()
        try:
            if kind == "request":
                unfinished -= 1
                triton.InferenceRequestDelete(c_void_p(handle))
                continue
            unfinished -= flags & RESPONSE_FINAL
            if handle is None:
                continue
            try:
                triton.InferenceResponseError(c_void_p(handle))
            finally:
                triton.InferenceResponseDelete(c_void_p(handle))
        except RuntimeError as error:
            errors.append(error)
    return errors


def main(library, digits=pathlib.Path(__file__).parent.parent / "digits"):
    digits = pathlib.Path(digits)
    labels = (digits / "data/labels.u8").read_bytes()
    pixels = (digits / "data/images.f32").read_bytes()
    images = (ctypes.c_char * len(pixels)).from_buffer_copy(pixels)
    triton = Triton(library)
    with contextlib.ExitStack() as stack:
        server = start_server(triton, digits / "models")
        stack.callback(triton.ServerDelete, server)
        print("server", triton.ask("ServerMetadata", server)["version"])
        triton.ServerLoadModel(server, b"digits")
        logits = classify(triton, server, images, len(labels))
        rows = [logits[i * CLASSES : (i + 1) * CLASSES] for i in range(len(labels))]
        right = sum(row.index(max(row)) == label for row, label in zip(rows, labels))
        print(f"accuracy {100 * right / len(labels):.2f} % ({right} of {len(labels)})")
        statistics = triton.ask("ServerModelStatistics", server, b"digits", c_int64(-1))
        model = statistics["model_stats"][0]
        print(f"{model['inference_count']} images in {model['execution_count']} executions")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
