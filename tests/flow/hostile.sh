#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that make it hard for a door in their own process: memory that goes away under DMA,
# signals, small stacks, closed and passed descriptors, few of them, races.
. "$(dirname "$0")/../compat/lib.sh"

scratch
truncate -s 1M "$work/drive"
drive 1 "$work/drive"
limit=50
run "$HOSTILE/hostile_memory"
said 'mapped, but the memory is gone'
run "$HOSTILE/hostile_proven"
run "$HOSTILE/hostile_signal"
run "$HOSTILE/hostile_handler"
run "$HOSTILE/hostile_number"
run "$HOSTILE/hostile_fd"
said 'came from process [0-9]*, which still owns it'
echo "PASS"
