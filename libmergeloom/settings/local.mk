libmergeloom_libcore_la_SOURCES += \
  libmergeloom/settings/config_file.c \
  libmergeloom/settings/config_file.h \
  libmergeloom/settings/describe.c \
  libmergeloom/settings/internal.h \
  libmergeloom/settings/kinds.c \
  libmergeloom/settings/layers.c \
  libmergeloom/settings/nearest.c \
  libmergeloom/settings/nearest.h \
  libmergeloom/settings/settings.c \
  libmergeloom/settings/settings.h \
  libmergeloom/settings/shared_fields.c \
  libmergeloom/settings/unknown.c \
  libmergeloom/settings/worker_fields.c \
  libmergeloom/settings/worker_fields.h
