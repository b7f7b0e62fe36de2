"""Writing a film as MP4 (H.264), where PyAV is installed: the ``[video]`` extra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

MISSING = "MP4 needs PyAV, which is not installed: pip install 'gradwalk[video]' (.gif, .apng and .webp need nothing more)"
BT709, LIMITED = 1, 1
"""The numbers of these in ISO/IEC 23091-2: which colours the file says that it holds."""


def can_write_mp4() -> bool:
    """Whether PyAV is there."""
    return find_spec("av") is not None


def write_mp4(path: Path, frames: Iterator[Image.Image], milliseconds: Sequence[float], fps: int) -> None:
    """Write RGB frames of even size; one that stands longer than the others is repeated. Raises OSError."""
    import av

    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = None
        for frame, stands in zip(frames, milliseconds, strict=True):
            if stream is None:
                stream = _stream(container, frame.size, fps)
            shown = _converted(av, frame)
            for _ in range(max(round(stands * fps / 1000), 1)):
                shown.pts = None
                container.mux(stream.encode(shown))
        if stream is not None:
            container.mux(stream.encode(None))


def _stream(container: Any, size: tuple[int, int], fps: int) -> Any:
    stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast"})
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.colorspace, stream.codec_context.color_range = BT709, LIMITED
    stream.codec_context.color_primaries = stream.codec_context.color_trc = BT709
    return stream


def _converted(av: Any, frame: Image.Image) -> Any:
    from av.video.reformatter import ColorRange, Colorspace

    shown = av.VideoFrame.from_image(frame)
    return shown.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
