/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's kernel of a few kilobytes: it takes commands on its first serial
 * line, one a line, and answers each with a line "= VALUE... ok" or "= ... error".  Memory
 * is one flat space without paging; programs on the other end choose what of it a
 * command uses, from FREE_MEMORY on.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define FREE_MEMORY	0x01000000
#define SLOTS		32

static inline void outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void outl(u16 port, u32 value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u32 inl(u16 port)
{
	u32 value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline volatile u32 *mmio(u32 address)
{
	return (volatile u32 *)address;
}

/* start.S: how often the device of each slot has interrupted. */
extern volatile u32 interrupts[SLOTS];

/* main.c */
void *memset(void *to, int value, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);

/* console.c */
void console_init(void);
bool console_line(char *line, size_t size);
void console_text(const char *text);
void console_hex(u64 value);

/* pci.c: slots of bus 0, function 0. */
u32 pci_read(u32 slot, u32 offset);
void pci_write(u32 slot, u32 offset, u32 value);
bool pci_exists(u32 slot);
u32 pci_bar(u32 slot, u32 number);
u32 pci_find_capability(u32 slot, u8 id);
bool pci_enable_msix(u32 slot);

/* nvme.c: one controller a slot. */
bool nvme_start(u32 slot);
bool nvme_transfer(u32 slot, bool to_disk, u32 sector, u32 bytes, u64 memory);
bool nvme_load(u32 slot, bool on);
u32 nvme_loaded(u32 slot);
void nvme_poll(void);
void nvme_forget(u32 slot);

/* hotplug.c: the PCI hotplug of QEMU's machine "pc". */
void hotplug_poll(void);

/* command.c */
void command_run(char *line);

#endif
