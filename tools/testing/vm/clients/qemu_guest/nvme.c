// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVMe controllers, one a slot: an admin queue and one I/O queue, completions
 * found by polling; interrupts are on and only counted.  Under "load" the I/O queue
 * is kept full of reads into memory that nobody looks at.
 */
#include "guest.h"

#define CONTROLLERS	4
#define ENTRIES		16
#define PAGE		4096u
#define SECTOR		512u
#define COMMAND_BYTES	(128u * 1024)
#define LOAD_DEPTH	8

#define REG_CAPABILITY	0x00
#define REG_CONFIG	0x14
#define REG_STATUS	0x1c
#define REG_QUEUE_SIZES	0x24
#define REG_ADMIN_SQ	0x28
#define REG_ADMIN_CQ	0x30
#define REG_CMB_CONTROL	0x50
#define REG_DOORBELLS	0x1000
#define GONE		0xffffffff

#define CONFIG_ENABLE	(1 | 6 << 16 | 4 << 20)
#define ADMIN_CREATE_SQ	0x01
#define ADMIN_CREATE_CQ	0x05
#define IO_WRITE	0x01
#define IO_READ		0x02

struct submission {
	u32 opcode, namespace, unused[4];
	u64 memory, memory_list;
	u32 argument[6];
};

struct completion {
	u32 result, unused;
	u16 head, queue, id, status;
};

struct queue {
	struct submission submit[PAGE / sizeof(struct submission)];
	struct completion complete[PAGE / sizeof(struct completion)];
	u32 number, tail, head, phase;
} __attribute__((aligned(PAGE)));

struct controller {
	struct queue admin, io;
	u64 lists[LOAD_DEPTH][PAGE / sizeof(u64)];
	u8 sink[LOAD_DEPTH][COMMAND_BYTES];
	u32 slot, registers;
	u32 loaded, in_flight, load_sector;
	bool used, load;
} __attribute__((aligned(PAGE)));

static struct controller controllers[CONTROLLERS];

static struct controller *find(u32 slot)
{
	for (int i = 0; i < CONTROLLERS; i++) {
		if (controllers[i].used && controllers[i].slot == slot)
			return &controllers[i];
	}
	return NULL;
}

static struct controller *find_or_take(u32 slot)
{
	struct controller *c = find(slot);

	for (int i = 0; !c && i < CONTROLLERS; i++) {
		if (!controllers[i].used)
			c = &controllers[i];
	}
	return c;
}

static u32 get(struct controller *c, u32 offset)
{
	return *mmio(c->registers + offset);
}

static void set(struct controller *c, u32 offset, u32 value)
{
	*mmio(c->registers + offset) = value;
}

static void queue_init(struct queue *q, u32 number)
{
	memset(q, 0, sizeof(*q));
	q->number = number;
	q->phase = 1;
}

static void ring(struct controller *c, struct queue *q, bool completion, u32 value)
{
	set(c, REG_DOORBELLS + 8 * q->number + (completion ? 4 : 0), value);
}

static struct submission *next_submission(struct queue *q, u32 opcode)
{
	struct submission *s = &q->submit[q->tail];

	memset(s, 0, sizeof(*s));
	s->opcode = opcode | q->tail << 16;
	return s;
}

static void submit(struct controller *c, struct queue *q)
{
	q->tail = (q->tail + 1) % ENTRIES;
	ring(c, q, false, q->tail);
}

/* One completion, if there is one: its status, or -1. */
static int reap(struct controller *c, struct queue *q)
{
	volatile struct completion *done = &q->complete[q->head];
	u16 status = done->status;

	if ((status & 1) != q->phase)
		return -1;
	q->head = (q->head + 1) % ENTRIES;
	if (!q->head)
		q->phase ^= 1;
	ring(c, q, true, q->head);
	return status >> 1;
}

/* A device that was taken away reads as all ones and completes nothing. */
static bool finish(struct controller *c, struct queue *q)
{
	int status;

	do {
		if (get(c, REG_STATUS) == GONE)
			return false;
		status = reap(c, q);
	} while (status < 0);
	return status == 0;
}

static bool become(struct controller *c, u32 ready)
{
	u32 status;

	do
		status = get(c, REG_STATUS);
	while (status != GONE && (status & 1) != ready);
	return status != GONE;
}

static bool create(struct controller *c, u32 opcode, void *memory, u32 flags)
{
	struct submission *s = next_submission(&c->admin, opcode);

	s->memory = (u32)memory;
	s->argument[0] = (ENTRIES - 1) << 16 | c->io.number;
	s->argument[1] = flags;
	submit(c, &c->admin);
	return finish(c, &c->admin);
}

/* Physically contiguous; the queue's completions interrupt by vector 0. */
static bool create_io_queue(struct controller *c)
{
	queue_init(&c->io, 1);
	return create(c, ADMIN_CREATE_CQ, c->io.complete, 3) &&
	       create(c, ADMIN_CREATE_SQ, c->io.submit, 1 | c->io.number << 16);
}

static bool enable(struct controller *c)
{
	set(c, REG_CONFIG, 0);
	if (!become(c, 0))
		return false;
	queue_init(&c->admin, 0);
	set(c, REG_QUEUE_SIZES, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	set(c, REG_ADMIN_SQ, (u32)c->admin.submit);
	set(c, REG_ADMIN_SQ + 4, 0);
	set(c, REG_ADMIN_CQ, (u32)c->admin.complete);
	set(c, REG_ADMIN_CQ + 4, 0);
	set(c, REG_CONFIG, CONFIG_ENABLE);
	return become(c, 1);
}

/* Memory of the controller, if it has any, shows up in its BAR at that address. */
static void show_controller_memory(struct controller *c)
{
	u32 memory = pci_bar(c->slot, 2);

	if (!memory)
		return;
	set(c, REG_CMB_CONTROL + 4, 0);
	set(c, REG_CMB_CONTROL, memory | 3);
}

bool nvme_start(u32 slot)
{
	struct controller *c = find_or_take(slot);

	if (!c || !pci_exists(slot) || pci_read(slot, 8) >> 8 != 0x010802)
		return false;
	pci_write(slot, 4, (pci_read(slot, 4) & 0xffff) | 6);
	c->slot = slot;
	c->registers = pci_bar(slot, 0);
	c->used = true;
	c->load = false;
	c->loaded = 0;
	c->in_flight = 0;
	pci_enable_msix(slot);
	show_controller_memory(c);
	return enable(c) && create_io_queue(c);
}

static void put_transfer(struct controller *c, u32 opcode, u32 sector, u32 bytes, u64 memory)
{
	struct submission *s = next_submission(&c->io, opcode);
	u64 *list = c->lists[c->io.tail % LOAD_DEPTH];

	s->namespace = 1;
	s->memory = memory;
	s->memory_list = bytes > 2 * PAGE ? (u32)list : memory + PAGE;
	for (u32 i = 0; i + 1 < (bytes + PAGE - 1) / PAGE; i++)
		list[i] = memory + PAGE * (i + 1);
	s->argument[0] = sector;
	s->argument[2] = bytes / SECTOR - 1;
	submit(c, &c->io);
}

/* Memory must begin at a page; it may be anything that the device can reach. */
bool nvme_transfer(u32 slot, bool to_disk, u32 sector, u32 bytes, u64 memory)
{
	struct controller *c = find(slot);

	if (!c || c->load || c->in_flight || bytes % SECTOR || memory % PAGE)
		return false;
	while (bytes) {
		u32 now = bytes < COMMAND_BYTES ? bytes : COMMAND_BYTES;

		put_transfer(c, to_disk ? IO_WRITE : IO_READ, sector, now, memory);
		if (!finish(c, &c->io))
			return false;
		sector += now / SECTOR;
		memory += now;
		bytes -= now;
	}
	return true;
}

static void keep_full(struct controller *c)
{
	while (c->load && c->in_flight < LOAD_DEPTH) {
		put_transfer(c, IO_READ, c->load_sector, COMMAND_BYTES,
			     (u32)c->sink[c->io.tail % LOAD_DEPTH]);
		c->load_sector = (c->load_sector + COMMAND_BYTES / SECTOR) & 0xffff;
		c->in_flight++;
	}
}

void nvme_poll(void)
{
	for (int i = 0; i < CONTROLLERS; i++) {
		struct controller *c = &controllers[i];

		while (c->used && c->in_flight && reap(c, &c->io) >= 0) {
			c->in_flight--;
			c->loaded++;
		}
		if (c->used)
			keep_full(c);
	}
}

bool nvme_load(u32 slot, bool on)
{
	struct controller *c = find(slot);

	if (!c)
		return false;
	c->load = on;
	while (!on && c->in_flight && get(c, REG_STATUS) != GONE)
		nvme_poll();
	return true;
}

/* How many reads under load are done. */
u32 nvme_loaded(u32 slot)
{
	struct controller *c = find(slot);

	return c ? c->loaded : 0;
}

void nvme_forget(u32 slot)
{
	struct controller *c = find(slot);

	if (c)
		c->used = false;
}
