"""What a command answers to a user's mistake."""


def assert_one_line(code, out, err, message):
    """A user's error: exit code 2, nothing on stdout, one line on stderr that holds the message."""
    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("perceiver-edu: ")
    assert message in err
