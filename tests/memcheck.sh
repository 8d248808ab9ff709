#!/usr/bin/env bash
# Runs tests under valgrind's memcheck; see usage().
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'END'
usage: tests/memcheck.sh TEST[:FILTER]...

Runs each of these files of tests, or those tests of it whose names hold FILTER, under
valgrind's memcheck: no byte is read before it is written, none outside of what was asked
for, and none is lost. tests/memcheck.supp has what the modules do, one by one.
END
}

main() {
  if [[ $# -eq 0 || $1 == -* ]]; then usage; exit 2; fi
  command -v valgrind >/dev/null || { echo "valgrind is missing: install it" >&2; exit 1; }
  local host one
  host=$(rustc -vV | sed -n 's/^host: //p')
  local valgrind=(
    valgrind --quiet --error-exitcode=97 --fair-sched=yes --num-callers=40
    --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
    --suppressions="$PWD/tests/memcheck.supp"
  )
  host=${host//-/_}
  export "CARGO_TARGET_${host^^}_RUNNER=${valgrind[*]}"
  cargo build --example fault_module # which a test that is named does not bring about
  for one; do
    ./softhsm-setup.sh cargo test --test "${one%%:*}" -- --test-threads=1 $(filter "$one")
  done
}

filter() { if [[ $1 == *:* ]]; then echo "${1#*:}"; fi; }

main "$@"
