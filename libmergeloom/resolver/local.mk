libmergeloom_libcore_la_SOURCES += \
  libmergeloom/resolver/directives.c \
  libmergeloom/resolver/directives.h \
  libmergeloom/resolver/explain.c \
  libmergeloom/resolver/input.c \
  libmergeloom/resolver/internal.h \
  libmergeloom/resolver/policy.c \
  libmergeloom/resolver/resolution.c \
  libmergeloom/resolver/resolver.c \
  libmergeloom/resolver/resolver.h \
  libmergeloom/resolver/scan.c \
  libmergeloom/resolver/scan.h \
  libmergeloom/resolver/ticket.c
dist_schema_DATA += libmergeloom/schemas/mergeloom.resolution.v1.json
