/* OpenSSL's side of the benchmark: documents made and verified with its library. */
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#define MOST 1000
#define FLAGS (CMS_BINARY | CMS_CADES)

static unsigned char *documents[MOST];
static int lengths[MOST];
static X509_STORE *store;

static X509 *certificate(const char *path) {
  BIO *file = BIO_new_file(path, "r");
  X509 *read = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
  BIO_free(file);
  return read;
}

/* Signs MOST documents, each with a content of its own. Returns 1 where all is well. */
int prepare(const char *authority, const char *signer, const char *key_file) {
  X509 *anchor = certificate(authority), *cert = certificate(signer);
  BIO *file = BIO_new_file(key_file, "r");
  EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, NULL, NULL) : NULL;
  BIO_free(file);
  store = X509_STORE_new();
  if (!anchor || !cert || !key || !X509_STORE_add_cert(store, anchor)) return 0;
  for (int i = 0; i < MOST; i++) {
    char text[64];
    int length = snprintf(text, sizeof text, "small document number %d\n", i);
    BIO *content = BIO_new_mem_buf(text, length);
    CMS_ContentInfo *cms = CMS_sign(cert, key, NULL, content, FLAGS);
    documents[i] = NULL;
    lengths[i] = cms ? i2d_CMS_ContentInfo(cms, &documents[i]) : 0;
    CMS_ContentInfo_free(cms);
    BIO_free(content);
    if (lengths[i] <= 0) return 0;
  }
  return 1;
}

/* One of the documents, and its length. */
int document(int number, const unsigned char **bytes) {
  *bytes = documents[number];
  return lengths[number];
}

/* Verifies all; the answer is how many are valid. */
int verify_all(void) {
  int valid = 0;
  for (int i = 0; i < MOST; i++) {
    const unsigned char *bytes = documents[i];
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &bytes, lengths[i]);
    if (cms && CMS_verify(cms, NULL, store, NULL, NULL, FLAGS) == 1) valid++;
    CMS_ContentInfo_free(cms);
  }
  return valid;
}
