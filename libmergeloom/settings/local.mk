libmergeloom_libcore_la_SOURCES += \
  libmergeloom/settings/settings.h \
  libmergeloom/settings/worker_fields.h
