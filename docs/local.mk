EXTRA_DIST += docs/README.md docs/building.md docs/simulator.md
