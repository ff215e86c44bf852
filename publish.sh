#!/usr/bin/env bash
# Publish the version that pixigpt.py names: ./publish.sh [--upload]
# Tests, builds and checks the package. Only with --upload is it sent to PyPI and tagged.
set -euo pipefail
cd "$(dirname "$0")"

die() {
    echo "publish.sh: $*" >&2
    exit 1
}

case "$*" in
    "") upload=false ;;
    --upload) upload=true ;;
    *) die "usage: ./publish.sh [--upload]" ;;
esac

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' pixigpt.py)
tag=v$version
[ -n "$version" ] || die "no __version__ in pixigpt.py"
[ -z "$(git status --porcelain)" ] || die "the git tree is dirty: commit first"
! git rev-parse -q --verify "refs/tags/$tag" >/dev/null || die "$tag is already tagged: raise __version__ in pixigpt.py"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
PATH=$work/venv/bin:$PATH
pip install -q -c .ci/requirements.txt pytest build hatchling twine

python -m pytest
python -m build --no-isolation --outdir "$work/dist"
twine check --strict "$work"/dist/*

if $upload; then
    twine upload "$work"/dist/*
    git tag "$tag"
    echo "published $version; now: git push origin $tag"
else
    echo "dry run: --upload would send these to PyPI and tag $tag"
    ls "$work/dist"
fi
