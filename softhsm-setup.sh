#!/usr/bin/env bash
# A private SoftHSM token to try and test keyfob with; see usage(). Made to run on Debian
# and Ubuntu, on Fedora, and on macOS with its bash 3.2.
set -euo pipefail

usage() {
  cat <<'END'
usage: ./softhsm-setup.sh [--fresh] [COMMAND...]

Installs what is missing (SoftHSM, OpenSC, PC/SC with virtual readers, p11-kit, a C linker), makes
a software token with demo keys and certificates in target/softhsm/, and runs COMMAND with
SOFTHSM2_CONF, KEYFOB_MODULE and KEYFOB_PIN set. Without COMMAND it prints them:
  eval "$(./softhsm-setup.sh)"
Keys: rsa2048, p256, p384, ed25519, and always-ask, which wants the PIN for each signature.

  --fresh   make the token anew; otherwise it is kept from run to run
END
}

ROOT=$(CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
DIR=$ROOT/target/softhsm # complete or absent: it is made as $NEW and then renamed
NEW=$DIR.new
OLD=$DIR.old
PIN=12345678

say() { echo "softhsm-setup: $*" >&2; }
die() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null; }
on_mac() { [[ $OSTYPE == darwin* ]]; }

main() {
  local name fresh=
  while [[ ${1-} == -* ]]; do
    case $1 in
      --fresh) fresh=yes; shift ;;
      --help | -h) usage; exit ;;
      --) shift; break ;;
      *) say "unknown option $1; see --help"; exit 2 ;;
    esac
  done

  lock
  rm -rf "$NEW" "$OLD" # of a run that was killed
  install_missing
  KEYFOB_MODULE=$(softhsm_module)
  if [[ -n $fresh || ! -f $DIR/softhsm2.conf ]]; then make_token; fi
  # Its one path is absolute, and the repository may have been moved.
  if [[ $(<"$DIR/softhsm2.conf") != "$(conf_for "$DIR")" ]]; then
    conf_for "$DIR" >"$DIR/softhsm2.conf"
  fi
  exec 9>&- # or COMMAND would inherit the lock

  export SOFTHSM2_CONF=$DIR/softhsm2.conf KEYFOB_MODULE KEYFOB_PIN
  KEYFOB_PIN=$(<"$DIR/pin")
  if [[ $# -gt 0 ]]; then exec "$@"; fi
  for name in SOFTHSM2_CONF KEYFOB_MODULE KEYFOB_PIN; do
    printf 'export %s=%q\n' "$name" "${!name}"
  done
}

# --- One run at a time: the kernel ends this lock with its holder ------------

lock() {
  mkdir -p "$ROOT/target"
  if [[ ! -w $ROOT/target || (-e $DIR && ! -w $DIR) ]]; then
    die "cannot write to $DIR: run this as its owner, or remove it"
  fi
  exec 9>>"$DIR.lock"
  if have flock; then
    flock -w 2 9 || { say "waiting for another run to finish"; flock 9; }
  else # macOS
    perl -MFcntl=:flock -e 'open F, ">>&=9" and flock F, LOCK_EX or die "lock: $!\n"'
  fi
}

# --- What has to be installed ------------------------------------------------

first_file() {
  local file
  for file; do if [[ -f $file ]]; then echo "$file"; return; fi; done
  return 1
}

softhsm_module() { # of this machine's architecture, before a foreign one
  first_file /usr/lib/softhsm/libsofthsm2.so \
    /usr/lib/{"$HOSTTYPE"-linux-gnu*,*}/softhsm/libsofthsm2.so \
    /usr/{lib64,lib}/{pkcs11,softhsm}/libsofthsm2.so \
    /{opt/homebrew,usr/local}/{lib,opt/softhsm/lib}/softhsm/libsofthsm2.so
}

spy_module() {
  first_file /usr/lib/{*/,}{,pkcs11/}pkcs11-spy.so /usr/lib64/{,pkcs11/}pkcs11-spy.so \
    /{opt/homebrew,usr/local,Library/OpenSC}/lib/{,pkcs11/}pkcs11-spy.{so,dylib}
}

p11_kit_client() { first_file /usr/{lib,lib64}/{,*/}pkcs11/p11-kit-client.so; }

vpcd_driver() { first_file /usr/{lib,lib64}/{,*/}pcsc/drivers/serial/libifdvpcd.so; }

openssl_command() { # what macOS calls openssl is LibreSSL
  if on_mac; then first_file /{opt/homebrew,usr/local}/opt/openssl@3/bin/openssl
  else command -v openssl; fi
}

# The packages missing, one a line, as apt, dnf and brew call them.
missing() {
  { softhsm_module && have softhsm2-util; } >/dev/null || echo softhsm2 softhsm softhsm
  have pkcs11-tool || echo opensc opensc opensc
  spy_module >/dev/null || echo opensc-pkcs11 opensc opensc
  openssl_command >/dev/null || echo openssl openssl openssl@3
  have cc || echo gcc gcc gcc
  if on_mac; then return; fi
  # Without its start files a compiler cannot link, and rustc links with it.
  [[ $(cc -print-file-name=Scrt1.o 2>&1) == /* ]] || echo libc6-dev glibc-devel
  have pkg-config || echo pkg-config pkgconf-pkg-config
  pkg-config --exists libpcsclite 2>/dev/null || echo libpcsclite-dev pcsc-lite-devel
  [[ -x /usr/sbin/pcscd ]] || echo pcscd pcsc-lite
  { have p11-kit && p11_kit_client; } >/dev/null || echo p11-kit p11-kit-server
  # No other system has it as a package; the tests with cards say that it is missing.
  if have apt-get; then vpcd_driver >/dev/null || echo vsmartcard-vpcd; fi
}

install_missing() {
  local lacking sudo=
  lacking=$(missing)
  if [[ -z $lacking ]]; then return; fi
  if [[ $EUID -ne 0 ]]; then sudo="sudo "; fi
  names() { cut -d ' ' -f "$1" <<<"$lacking" | sort -u | paste -s -d ' ' -; }
  if have apt-get; then install_with "${sudo}apt-get install" "$(names 1)"
  elif have dnf; then install_with "${sudo}dnf install" "$(names 2)"
  elif on_mac && have brew; then install_with "brew install" "$(names 3)"
  else die "please install what Debian calls $(names 1), then run this again"; fi
  lacking=$(missing)
  if [[ -n $lacking ]]; then die "still missing what Debian calls $(names 1)"; fi
}

install_with() { # [sudo ]MANAGER install, PACKAGES
  local packages
  read -ra packages <<<"$2"
  if [[ $1 == sudo* ]] && ! have sudo; then die "please run as root: ${1#sudo } $2"; fi
  say "$1 $2"
  case $1 in
    *apt-get*) apt_install "${packages[@]}" ;;
    *) $1 "$([[ $1 == brew* ]] && echo --quiet || echo -y)" "${packages[@]}" ;;
  esac </dev/null >&2 9>&- || die "that failed; please run it by hand: $1 $2"
}

apt_install() {
  apt() {
    ${sudo:+sudo} env DEBIAN_FRONTEND=noninteractive apt-get -qq \
      -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
  }
  install() { apt install -y --no-install-recommends "$@"; }
  # A fresh machine has no package lists, an old one may have lists out of date. If only
  # part of the update works, the install will show whether that was enough.
  if compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null && install "$@"; then return; fi
  apt update || true
  install "$@"
}

# --- The token ---------------------------------------------------------------

conf_for() { # FOLDER
  printf '%s\n' "directories.tokendir = $1/tokens" "objectstore.backend = file" \
    "log.level = ERROR" "slots.removable = false" "slots.mechanisms = ALL" \
    "library.reset_on_fork = false"
}

make_token() ( # a subshell: umask, PATH and trap are not for COMMAND
  case $DIR in *[#=]*) die "SoftHSM cannot use a path with # or = in it: move $ROOT" ;; esac
  say "making a demo token in $DIR"
  umask 077
  trap 'rm -rf "$NEW"' EXIT
  mkdir -p "$NEW/tokens" "$NEW/tmp"
  conf_for "$NEW" >"$NEW/softhsm2.conf"
  export SOFTHSM2_CONF=$NEW/softhsm2.conf
  if on_mac; then PATH=$(dirname "$(openssl_command)"):$PATH; fi
  cd "$NEW/tmp"

  run softhsm2-util --module "$KEYFOB_MODULE" --init-token --free --label keyfob \
    --pin $PIN --so-pin 87654321
  make_ca
  add_key 01 rsa2048 rsa:2048
  add_key 02 p256 EC:prime256v1
  add_key 03 p384 EC:secp384r1
  if grep -q edwards25519 "$(command -v pkcs11-tool)"; then
    add_key 04 ed25519 EC:edwards25519
  else
    say "no key ed25519: OpenSC older than 0.22 cannot make one"
  fi
  add_key 05 always-ask EC:prime256v1 --always-auth

  mv ca.pem ..
  echo $PIN >../pin
  cd "$ROOT"
  rm -rf "$NEW/tmp" # the CA's private key with it
  conf_for "$DIR" >"$NEW/softhsm2.conf"
  if [[ -e $DIR ]]; then mv "$DIR" "$OLD"; fi
  mv "$NEW" "$DIR"
  rm -rf "$OLD"
)

run() { "$@" >log 2>&1 || { cat log >&2; die "failed: $*"; }; }
token() { run pkcs11-tool --module "$KEYFOB_MODULE" --token-label keyfob --login --pin $PIN "$@"; }

make_ca() {
  cat >cnf <<'END'
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
  run openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  run openssl req -config cnf -x509 -new -sha256 -days 3660 -key ca.key \
    -subj "/CN=keyfob demo CA" -extensions ca -out ca.pem
}

add_key() { # ID LABEL TYPE [OPTION]: the key, and a certificate beside it
  local id=$1 label=$2 type=$3
  token --keypairgen --key-type "$type" --id "$id" --label "$label" --usage-sign "${@:4}"
  public_key "$type" "$id" >public.pem

  # To spare the token a request: the CA signs its own, with the public key replaced.
  run openssl req -config cnf -new -key ca.key -subj "/O=keyfob demo/CN=Demo $label" -out request
  run openssl x509 -req -in request -force_pubkey public.pem -CA ca.pem -CAkey ca.key -sha256 \
    -days 3650 -set_serial "0x$(openssl rand -hex 8)" -extfile cnf -extensions leaf \
    -outform DER -out cert.der
  token --write-object cert.der --type cert --id "$id" --label "$label"

  token --read-object --type cert --id "$id" --output-file stored.der
  run openssl x509 -inform DER -in stored.der -out stored.pem
  run openssl verify -x509_strict -CAfile ca.pem stored.pem
}

# OpenSC 0.23 refuses to export a P-384 key and spoils an Ed25519 one, so these are put
# together from the point it prints: wrapped in an OCTET STRING or not, and since OpenSC
# 0.27 over several lines.
public_key() { # TYPE ID, just after --keypairgen
  local head size point
  case $1 in
    rsa:*)
      token --read-object --type pubkey --id "$2" --output-file public.der
      openssl pkey -pubin -inform DER -in public.der
      return ;;
    EC:prime256v1) head=3059301306072a8648ce3d020106082a8648ce3d030107034200 size=65 ;;
    EC:secp384r1) head=3076301006072a8648ce3d020106052b81040022036200 size=97 ;;
    EC:edwards25519) head=302a300506032b6570032100 size=32 ;;
  esac
  point=$(awk '/^ *EC[_ ]P(OINT|oint):/ { on = 1; sub(/.*:/, "") }
    /[^0-9a-f ]/ { on = 0 }
    on { printf "%s", $1 }' log)
  if [[ ${#point} -lt $((2 * size)) ]]; then cat log >&2; die "OpenSC shows no EC_POINT"; fi
  # shellcheck disable=SC2001 # bash has no & in older replacements
  printf %b "$(sed 's/../\\x&/g' <<<"$head${point: -2*size}")" | openssl pkey -pubin -inform DER
}

main "$@"
