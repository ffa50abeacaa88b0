libmergeloom_libcore_la_SOURCES += \
  libmergeloom/resolver/directives.h \
  libmergeloom/resolver/resolver.h
