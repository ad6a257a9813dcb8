/* SPDX-License-Identifier: MIT */
/*
 * The calls of a flow test that is built twice: as a program in plain Linux uAPI, which runs under
 * `ioas run` (sys_linux.c), and with the engine in it, for the sanitizers (sys_engine.c). Results
 * are 0 or more, or -errno. From any thread.
 */
#ifndef TESTS_FLOW_SYS_H
#define TESTS_FLOW_SYS_H

#include <stdint.h>
#include <sys/types.h>
#include "examples/linux-uapi.h"

/* With the engine inside: makes a machine with these devices. */
void sys_begin(const char *device);
void sys_end(void);

int sys_open(const char *path);
void sys_close(int fd);
long sys_ioctl(int fd, unsigned long cmd, void *arg);
ssize_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t off);

/* A mapped region, of which there is one at a time; it keeps the device open. */
void sys_map(int fd, uint64_t off, size_t len);
void sys_unmap(void);
uint32_t sys_load(unsigned off);
void sys_store(unsigned off, uint32_t value);
void sys_store64(unsigned off, uint64_t value);

#endif
