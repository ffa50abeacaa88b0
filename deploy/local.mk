# For packagers to put where their system has it; ExecStart= names /usr/bin.
if DAEMON
exampledir = $(docdir)/examples
dist_example_DATA = deploy/kubernetes.yaml deploy/mergeloomd.env deploy/mergeloomd.service deploy/nginx.conf
dist_man_MANS += daemon/mergeloomd.8
else
EXTRA_DIST += deploy/kubernetes.yaml deploy/mergeloomd.env deploy/mergeloomd.service deploy/nginx.conf daemon/mergeloomd.8
endif
