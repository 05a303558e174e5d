#!/usr/bin/env bash
# Test the installed package on the versions that are there, and say in the run's summary which tests failed.
#   bash .github/broken.sh "Python 3.13, newest versions"
set -uo pipefail
chosen=(tests/test_cli.py tests/test_model.py tests/test_filling.py tests/test_fast.py tests/test_borrow.py
    tests/weights tests/instruments tests/modalities tests/training tests/course)
pytest -q -n auto -m "not slow and not network and not browser" "${chosen[@]}" 2>&1 | tee pytest.log
code=$?
{
    echo "## $1"
    echo '```'
    grep -E "^(FAILED|ERROR)|passed|failed" pytest.log
    echo
    python -m pip list
    echo '```'
} >> "${GITHUB_STEP_SUMMARY:-/dev/stdout}"
exit "$code"
