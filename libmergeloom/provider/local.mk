libmergeloom_libcore_la_SOURCES += \
  libmergeloom/provider/collector.c \
  libmergeloom/provider/exchange.c \
  libmergeloom/provider/internal.h \
  libmergeloom/provider/login.c \
  libmergeloom/provider/login_reader.c \
  libmergeloom/provider/login_reader.h \
  libmergeloom/provider/price.c \
  libmergeloom/provider/program.c \
  libmergeloom/provider/provider.c \
  libmergeloom/provider/provider.h \
  libmergeloom/provider/transport.c \
  libmergeloom/provider/turn.c
