#!/usr/bin/env bash
# Runs tests under ThreadSanitizer; see usage().
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'END'
usage: tests/races.sh TEST[:FILTER]...

Runs each of these files of tests, or those tests of it whose names hold FILTER, with every
access to memory watched, keyfob's and the fault module's: none is beside another that it is
not ordered with. tests/races.supp has what is left out, one by one.

The standard library comes compiled, and is not watched. Its locks are seen all the same,
since their quick ways are compiled with what uses them, and with --cfg keyfob_spins nobody
goes the slow one.
END
}

main() {
  if [[ $# -eq 0 || $1 == -* ]]; then usage; exit 2; fi
  local host one
  host=$(rustc -vV | sed -n 's/^host: //p')
  # Sanitizers are there in a stable toolchain, and want to be asked for as in a nightly one.
  export RUSTC_BOOTSTRAP=1
  export RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg keyfob_spins -Clink-arg=-rdynamic"
  export TSAN_OPTIONS="suppressions=$PWD/tests/races.supp exitcode=97 history_size=4"
  local watched=(--target "$host" --target-dir target/races)
  cargo build "${watched[@]}" --example fault_module
  for one; do
    ./softhsm-setup.sh cargo test "${watched[@]}" --test "${one%%:*}" -- --test-threads=1 $(filter "$one")
  done
}

filter() { if [[ $1 == *:* ]]; then echo "${1#*:}"; fi; }

main "$@"
