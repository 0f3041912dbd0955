#!/bin/sh
# every SECONDS COMMAND...: run it, wait, run it again; told to stop, it lets the command land what it has in hand.
# /tmp/healthy tells when it ended well last. Exit code 3 of polyledger is done, with something still open.
seconds=$1
shift
running=
trap 'test -n "$running" && kill "$running" 2>/dev/null && wait "$running"; exit 0' TERM INT
while true; do
    "$@" &
    running=$!
    wait "$running"
    case $? in 0 | 3) touch /tmp/healthy ;; esac
    sleep "$seconds" &
    running=$!
    wait "$running"
done
