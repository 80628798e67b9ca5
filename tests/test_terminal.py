"""What is printed is whole on every terminal, obeys no name, and ends no process where nobody reads it."""

import os
import subprocess
import sys
import warnings

import pytest

from lightning_gen import terminal
from lightning_gen.terminal import printable, say, warning_line

PRINTS = """
import sys, warnings
from lightning_gen.terminal import prepare, say
prepare()
for number in range(3):
    say(f"line {number} of caf\\u00e9 \\u2264 \\u0394")
    say(f"note {number}", sys.stderr)
sys.stdin.readline()
for number in range(3, 5000):
    say(f"line {number}")
    print("and", number, file=sys.stderr)
warnings.warn("a name \\x1b[2J of a folder")
open(sys.argv[1], "w").write("done")
"""


def test_what_a_terminal_would_obey_is_written_out(capsys):
    say("a\x1b[31mred\x07\x9b2J\rb\u202ec\udcff café\nnext")
    assert capsys.readouterr().out == "a\\x1b[31mred\\x07\\x9b2J\\rb\\u202ec\\udcff café\nnext\n"


def test_what_can_be_read_is_left_alone():
    text = "Fréchet distance ≤ 3 µm, 数字\n  runs/dcgan  100 %"
    assert printable(text) == text


def test_a_warning_of_this_package_is_its_sentence_alone():
    usual, text = warnings.formatwarning, "left out \x1b[2J.png"
    own = warning_line(usual, text, UserWarning, terminal.__file__, 3)
    assert own == "warning: left out \\x1b[2J.png\n"
    others = warning_line(usual, text, UserWarning, os.__file__, 3)
    assert os.__file__ in others
    assert "left out \\x1b[2J.png" in others


def run(tmp_path, **options):
    words = [sys.executable, "-c", PRINTS, tmp_path / "done"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, **options)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_of_few_characters_gets_the_others_written_out(tmp_path, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    process = run(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    out, error = process.communicate(b"\n")
    assert process.returncode == 0
    first = "line 0 of café \\u2264 \\u0394" if encoding == "latin-1" else "line 0 of caf\\xe9 \\u2264 \\u0394"
    assert out.decode(encoding).splitlines()[0] == first
    assert len(out.splitlines()) == 5000
    assert b"a name \\x1b[2J of a folder" in error
    assert b"\x1b" not in error


def test_a_reader_that_leaves_ends_nothing(tmp_path):
    process = run(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "line 0 of café ≤ Δ\n".encode()
    process.stdout.close()
    process.stderr.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait() == 0
    assert (tmp_path / "done").read_text() == "done"


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_nothing(tmp_path):
    ours, theirs = os.openpty()
    process = run(tmp_path, stdout=theirs, stderr=theirs)
    os.close(theirs)
    while b"note 2" not in os.read(ours, 10_000):
        pass
    os.close(ours)
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait() == 0
    assert (tmp_path / "done").read_text() == "done"


@pytest.mark.slow
def test_a_process_without_output_prints_nothing(tmp_path):
    words = [sys.executable, "-c", PRINTS, tmp_path / "done"]
    closed = f'exec "$@" >&- 2>&- <{os.devnull}'
    assert subprocess.run(["sh", "-c", closed, "sh", *words], check=False).returncode == 0
    assert (tmp_path / "done").read_text() == "done"
