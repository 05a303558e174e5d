"""A command without any network but loopback, as Linux can give it."""

import subprocess

CUT_OFF = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def can_be_cut_off() -> bool:
    try:
        return subprocess.run([*CUT_OFF, "true"], capture_output=True).returncode == 0
    except OSError:
        return False
