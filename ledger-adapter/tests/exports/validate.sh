#!/bin/sh
# Makes the exports of the vectors and validates them with tools by others. Needs Python 3.10 or
# later, and a package registry the first time; $1 is where the tools are kept [target/exports].
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tools=${1:-target/exports}
exports=$(mktemp -d)
trap 'rm -rf "$exports"' EXIT
[ -x "$tools/bin/python" ] || python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
GRAUNT_EXPORTS="$exports" cargo test --quiet --workspace --locked --test exports
"$tools/bin/python" "$here/validate.py" "$exports" "$here/../../vectors"
