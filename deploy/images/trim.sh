# Removes from an environment of packages what containers do not use: what only a compiler or the packages' own tests read,
# and the installer. Runs in the build of an image.
set -eu
cd "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
rm -rf torch/include torch/test torch/bin/test_* torch/bin/protoc* torch/bin/*Test
rm -rf pandas/tests pyarrow/tests pyarrow/include
python -m pip uninstall --quiet --yes wheel pip
