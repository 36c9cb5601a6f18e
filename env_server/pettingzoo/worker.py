"""A worker process: steps some copies of an environment as often as the world says so.

    python -m env_server.pettingzoo.worker < Job as JSON

Words go over a socket that it inherits, numbers through shared memory. It prints to where its starter's errors go.
"""

import os
import socket
import sys
import traceback

import numpy as np

from env_server.errors import SetupError, WorldError
from env_server.pettingzoo.board import Board
from env_server.pettingzoo.copies import Copies
from env_server.pettingzoo.job import DONE, FAILED, REFUSED, Job, read_job, receive, send, write_outline
from env_server.pettingzoo.make import make_env, outline
from fleet.core.errors import BadInput
from fleet.core.orphan import die_with_parent


def serve(job: Job, link: socket.socket) -> None:
    """Answer until the world is gone. Raises what the environment raises, once the world has been told."""
    copies = None
    try:
        envs = [make_env(job.env, job.args) for _ in range(job.first, job.after)]
        told = outline(envs[0], job.env)
        send(link, DONE + write_outline(told))
        if job.board is None:
            return
        board = Board.on(job.board, len(told.agents), len(job.clock), max(told.features))
        clock = np.array(job.clock[job.first : job.after])
        copies = Copies(envs, board.columns(job.first, job.after), job.first, job.max_steps, clock)
        while (order := receive(link)) is not None:
            try:
                answer = _obey(copies, *order.split())
            except BadInput as error:
                answer = REFUSED + str(error).encode()
            send(link, answer)
    except (BrokenPipeError, ConnectionResetError):
        return  # the world has ended, and so does this
    except Exception as error:
        send(link, (REFUSED if isinstance(error, BadInput) else FAILED) + _said(error).encode())
        raise
    finally:
        if copies is not None:
            copies.close()


def _obey(copies: Copies, verb: bytes, number: bytes = b"0") -> bytes:
    if verb == b"step":
        copies.step()
    elif verb == b"reset":
        copies.reset(int(number))
    else:
        image = copies.render(int(number))
        return DONE + np.array(image.shape, np.int64).tobytes() + image.tobytes()
    return DONE


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, WorldError) else f"{type(error).__name__}: {error}"


def main() -> None:
    """Read the job from standard input and serve; exit 1, with a traceback in the log, if the environment raises."""
    die_with_parent()
    job = read_job(sys.stdin.read())
    link = socket.socket(fileno=job.link)
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        serve(job, link)
    except Exception as error:
        if not isinstance(error, SetupError):  # what a user can put right is in the answer, and needs no trace
            traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
