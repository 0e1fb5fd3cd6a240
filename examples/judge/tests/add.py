"""What an answer with the step id `add` must do. The answer's code is the module `answer`."""

from answer import add


def test_whole_numbers():
    assert add(2, 2) == 4


def test_negative_numbers():
    assert add(-2, 1) == -1
