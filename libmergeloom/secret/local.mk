libmergeloom_libcore_la_SOURCES += \
  libmergeloom/secret/crypto.c \
  libmergeloom/secret/crypto.h \
  libmergeloom/secret/derivation.c \
  libmergeloom/secret/derivation.h \
  libmergeloom/secret/forms.c \
  libmergeloom/secret/forms.h \
  libmergeloom/secret/identity.c \
  libmergeloom/secret/identity.h \
  libmergeloom/secret/lookalike.c \
  libmergeloom/secret/lookalike.h \
  libmergeloom/secret/redactor.c \
  libmergeloom/secret/redactor.h \
  libmergeloom/secret/seal.c \
  libmergeloom/secret/secret.c \
  libmergeloom/secret/secret.h
