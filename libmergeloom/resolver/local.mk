libmergeloom_libcore_la_SOURCES += \
  libmergeloom/resolver/directives.c \
  libmergeloom/resolver/directives.h \
  libmergeloom/resolver/resolver.h \
  libmergeloom/resolver/scan.c \
  libmergeloom/resolver/scan.h
