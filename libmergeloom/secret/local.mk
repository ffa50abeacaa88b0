libmergeloom_libcore_la_SOURCES += \
  libmergeloom/secret/redactor.h \
  libmergeloom/secret/secret.c \
  libmergeloom/secret/secret.h
