EXTRA_DIST += ci/build.sh ci/check-structure.py ci/common.sh ci/count-results.py ci/cppcheck-suppressions ci/lint.sh \
  ci/test.sh ci/up.sh .ci/run
