#!/bin/sh
# In front of a job that waits for others: go_on_if_upstream_is_safe.sh JOB...
"${RUNLEDGER:-runledger}" upstream "$@" --date "${DATE:-$(date -d yesterday +%F)}" > /dev/null 2>&1
case $? in
  0) echo "going on" ;;
  1) echo "not yet: upstream is not done"; exit 1 ;;
  3) echo "not known: waiting"; exit 3 ;;
  *) echo "wrong use"; exit 2 ;;
esac
