"""Writing a film to a file: GIF, APNG and WebP by Pillow, MP4 by PyAV."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from .video import write_mp4

ENDINGS = (".gif", ".apng", ".webp", ".mp4")
COLOURS = 256
Frames = Iterator[Image.Image]
"""Pictures (RGB, all of one size)."""


def write_film(
    path: Path, ending: str, frames: Frames, milliseconds: Sequence[float], fps: int, samples: Sequence[Image.Image]
) -> None:
    """Write frames to ``path`` in the format of an ending. ``milliseconds`` say how long each of them stands.

    ``samples`` are pictures that have all colours between them: GIF and APNG are written with one palette, so that nothing
    flickers.

    Raises OSError where the file cannot be written, and what making a frame raises.
    """
    if ending == ".mp4":
        write_mp4(path, frames, milliseconds, fps)
        return
    name, indexed, options = _FORMATS[ending]
    reel = Reel(_indexed(frames, _palette(samples)) if indexed else frames, len(milliseconds), again=ending == ".apng")
    times = [round(one) for one in milliseconds]
    with path.open("w+b") as file:
        reel.save(file, name, save_all=True, duration=times, loop=0, **options)


_FORMATS: dict[str, tuple[str, bool, dict[str, Any]]] = {
    ".gif": ("GIF", True, {"optimize": False, "disposal": 1}),
    ".apng": ("PNG", True, {}),
    ".webp": ("WEBP", False, {"quality": 85, "method": 1}),
}


class Reel(Image.Image):
    """Frames as one picture of many, as Pillow takes them: the next is made when Pillow asks for it.

    Pillow looks through a PNG twice: with ``again`` the frames that were shown are kept, compressed.
    """

    def __init__(self, frames: Frames, count: int, *, again: bool) -> None:
        super().__init__()
        self._again = again
        self.n_frames, self.is_animated = count, count > 1
        self._frames, self._shown, self._at = frames, list[bytes](), -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Show a frame: one that was shown, or the next. Raises EOFError at the end."""
        if frame >= self.n_frames:
            raise EOFError(f"there are {self.n_frames} frames")
        if frame == self._at or (frame < self._at and not self._again):
            return
        if frame < len(self._shown):
            picture = Image.frombytes(self.mode, self.size, zlib.decompress(self._shown[frame]))
            self.im = picture.im
            if self.palette is not None:
                self.im.putpalette("RGB", "RGB", self.palette.getdata()[1])
        else:
            picture = next(self._frames)
            self._mode, self._size, self.palette, self.im = picture.mode, picture.size, picture.palette, picture.im
            self._shown.append(zlib.compress(picture.tobytes(), 1) if self._again else b"")
        self._at = frame

    def tell(self) -> int:
        """The number of the frame."""
        return self._at


def _indexed(frames: Frames, palette: Image.Image) -> Frames:
    for frame in frames:
        yield frame.quantize(palette=palette, dither=Image.Dither.NONE)


def _palette(samples: Sequence[Image.Image]) -> Image.Image:
    width, height = samples[0].size
    together = Image.new("RGB", (width, height * len(samples)))
    for number, sample in enumerate(samples):
        together.paste(sample, (0, height * number))
    return together.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
