"""Films of a motion: the preview's 3D, drawn frame by frame by a headless Chromium, as MP4 or GIF.

The page leaves its frames behind as pictures (`preview_html(frames=…)`), so one run of the browser draws them all, in trajectory
time and not as fast as the machine happens to draw.
"""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fastmove.errors import InputError, MissingPackage
from fastmove.io.atomic_write import write_whole
from fastmove.solution.solution import Solution
from fastmove.viz.preview import preview_html

try:
    from PIL import Image, ImageDraw, ImageFont
except ImportError as error:  # pragma: no cover
    raise MissingPackage("pillow", "a film", "view") from error

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
RATE = 25  # Frames a second.
SLOWER = 2.0  # How many times slower than the arm a film runs.
REST = 0.6  # Time for which the last frame stands [s].
SIZE = (960, 600)  # Pixels of an MP4; a GIF has half as many in either direction.
BUDGET = 4000  # Time of the page's own clock after which a browser has drawn it [ms].
TIMEOUT = 600.0  # Longest time for which a browser may draw [s].


def record(path: str | Path, solution: Solution) -> None:
    """Writes a film of a solution, whole or not at all.

    Args:
        path: File to write; its ending, .mp4 or .gif, says what kind.
        solution: Solution with a motion.

    Raises:
        InputError: The ending is another one, there is no motion, or no Chromium that could draw it.
        MissingPackage: imageio-ffmpeg is needed for MP4 and not installed.
    """
    path = Path(path)
    writers = {".mp4": _mp4, ".gif": _gif}
    if path.suffix.lower() not in writers:
        raise InputError("--record", f"{path.name!r} is neither .mp4 nor .gif")
    small = path.suffix.lower() == ".gif"
    width, height = (size // 2 if small else size for size in SIZE)
    count = max(2, round(solution.duration * SLOWER * RATE) + 1)
    pictures = [_titled(picture, solution, k / (count - 1)) for k, picture in enumerate(_drawn(solution, count, width, height))]
    still = [pictures[-1]] * round(REST * RATE)
    write_whole(path, writers[path.suffix.lower()]([*pictures, *still]))


def browser() -> str | None:
    """The command of a Chromium on this machine; None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def open_page(page: Path, size: tuple[int, int], *wanted: str) -> subprocess.CompletedProcess[str]:
    """Opens a page in a headless Chromium, which draws without a graphics card and asks nothing of the network.

    Args:
        page: The page; the browser keeps its profile beside it.
        size: Width and height of the window [pixels].
        wanted: What is wanted of it, as options of Chromium: `--dump-dom`, `--screenshot=FILE`.
    """
    command = [
        str(browser()), "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={page.parent}/profile",
        f"--window-size={size[0]},{size[1]}", f"--virtual-time-budget={BUDGET}", *wanted, f"file://{page}",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def _drawn(solution: Solution, count: int, width: int, height: int) -> list[Image.Image]:
    """The pictures of a motion at evenly spaced times."""
    command = browser()
    if command is None:
        raise InputError("--record", f"needs a browser to draw with, one of {', '.join(BROWSERS)} (Debian: apt install chromium)")
    page = preview_html(solution, frames=(count, width, height))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "film.html"
        file.write_text(page)
        result = open_page(file, (width, height), "--dump-dom")
    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", result.stdout)
    if len(found) != count:
        reason = result.stderr.strip()[-200:] or "no reason given"
        raise InputError("--record", f"{command} drew {len(found)} of {count} pictures: {reason}")
    return [Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB") for data in found]


def _titled(picture: Image.Image, solution: Solution, share: float) -> Image.Image:
    """A picture with the problem's name, the time, and a bar of how much of the motion is done."""
    draw, width = ImageDraw.Draw(picture), picture.width
    large, small = (ImageFont.load_default(size) for size in (width // 40, width // 54))
    now = f"{share * solution.duration:.2f} / {solution.duration:.2f} s"
    draw.text((width // 60, width // 70), solution.problem.name, fill="#1f2933", font=large)
    words = f"certified; {SLOWER:g} times slower than the arm" if solution.ok else "not certified"
    draw.text((width // 60, width // 70 + width // 30), words, fill="#52606d", font=small)
    draw.text((width - width // 60, width // 70), now, fill="#1f2933", font=large, anchor="ra")
    draw.rectangle((0, picture.height - 5, round(share * width), picture.height), fill="#e8833a")
    return picture


def _gif(pictures: Sequence[Image.Image]) -> bytes:
    """An animated GIF of every second picture, which repeats."""
    frames = [picture.quantize(96, dither=Image.Dither.NONE) for picture in pictures[::2]]
    whole = io.BytesIO()
    frames[0].save(whole, "GIF", save_all=True, append_images=frames[1:], duration=round(2000 / RATE), loop=0, optimize=True)
    return whole.getvalue()


def _mp4(pictures: Sequence[Image.Image]) -> bytes:
    """A film in H.264, as browsers and slides play it."""
    try:
        import imageio_ffmpeg
    except ImportError as error:  # pragma: no cover
        raise MissingPackage("imageio-ffmpeg", "an MP4", "view") from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "film.mp4"
        writer = imageio_ffmpeg.write_frames(str(file), pictures[0].size, fps=RATE, quality=7, macro_block_size=2)
        writer.send(None)
        for picture in pictures:
            writer.send(picture.tobytes())
        writer.close()
        return file.read_bytes()
