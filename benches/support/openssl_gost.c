/* OpenSSL's side of the benchmark: its GOST engine. */
#include <openssl/engine.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static ENGINE *engine;
static EVP_PKEY_CTX *verifier;
static unsigned char digest[64], signature[128], *public_key;
static size_t digest_length, signature_length;

/* Loads the engine. Returns 1 where all is well. */
int load(const char *path) {
  OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, NULL);
  engine = ENGINE_by_id("dynamic");
  return engine && ENGINE_ctrl_cmd_string(engine, "SO_PATH", path, 0) &&
         ENGINE_ctrl_cmd_string(engine, "LOAD", NULL, 0) && ENGINE_init(engine) &&
         ENGINE_set_default(engine, ENGINE_METHOD_ALL);
}

/* Makes a key of this parameter set, and has it sign a digest. Returns 1 where all is well. */
int prepare(const char *algorithm, const char *set, size_t length) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_id(OBJ_sn2nid(algorithm), engine);
  if (!maker || EVP_PKEY_keygen_init(maker) != 1 ||
      EVP_PKEY_CTX_ctrl_str(maker, "paramset", set) != 1 || EVP_PKEY_keygen(maker, &key) != 1)
    return 0;
  for (size_t i = 0; i < length; i++) digest[i] = (unsigned char)(37 * i + 11);
  digest_length = length;
  signature_length = sizeof signature;
  EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new(key, engine);
  EVP_PKEY_CTX_free(verifier);
  verifier = EVP_PKEY_CTX_new(key, engine);
  OPENSSL_free(public_key);
  public_key = NULL;
  int made = EVP_PKEY_sign_init(signer) == 1 &&
             EVP_PKEY_sign(signer, signature, &signature_length, digest, digest_length) == 1 &&
             EVP_PKEY_verify_init(verifier) == 1;
  EVP_PKEY_CTX_free(signer);
  EVP_PKEY_CTX_free(maker);
  EVP_PKEY_free(key);
  return made;
}

/* What was signed, the signature, and the key; and their lengths. */
int signed_digest(const unsigned char **bytes) {
  *bytes = digest;
  return (int)digest_length;
}

int signature_of_digest(const unsigned char **bytes) {
  *bytes = signature;
  return (int)signature_length;
}

int subject_public_key_info(const unsigned char **bytes) {
  int length = i2d_PUBKEY(EVP_PKEY_CTX_get0_pkey(verifier), &public_key);
  *bytes = public_key;
  return length;
}

/* Returns 1 where the signature is right. */
int verify(void) {
  return EVP_PKEY_verify(verifier, signature, signature_length, digest, digest_length);
}

/* Returns 1 where it is done. */
int hash(const char *algorithm, const unsigned char *bytes, size_t length) {
  unsigned char output[EVP_MAX_MD_SIZE];
  const EVP_MD *kind = ENGINE_get_digest(engine, OBJ_sn2nid(algorithm));
  return kind && EVP_Digest(bytes, length, output, NULL, kind, engine);
}
