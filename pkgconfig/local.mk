pkgconfig_DATA = pkgconfig/mergeloom.pc pkgconfig/mergeloom-plugin.pc
