/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VFIO driver sees of the VFIO core.
 *
 * A VFIO driver (vfio-pci and its variants, vfio-platform, mediated device
 * drivers, ...) embeds a struct vfio_device at offset 0 of its own structure,
 * allocates it with vfio_alloc_device(), and registers it.  From then on
 * programs may open the device, and the core calls the driver through
 * struct vfio_device_ops.
 *
 * The names and layouts used by drivers are those of Linux 7.3.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_H
#define VFIO_H

#include <linux/cdev.h>
#include <linux/iommu.h>
#include <linux/iova_bitmap.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <uapi/linux/vfio.h>

struct iommufd_access;
struct iommufd_ctx;
struct iommufd_device;
struct kvm;
struct vfio_info_cap;

/**
 * struct vfio_device_set - devices that can only be reset together
 * @set_id: what the drivers agreed on as the name of the set (a bus, a slot,
 *	or the device itself when it is alone)
 * @lock: held by the core whenever a device of the set is opened for the
 *	first time, closed for the last time, bound, attached or detached
 * @device_list: the members, linked through &vfio_device.dev_set_list
 * @device_count: how many registered or registering devices use the set
 */
struct vfio_device_set {
	void *set_id;
	struct mutex lock; /* opening, closing and resetting the members */
	struct list_head device_list;
	unsigned int device_count;
};

/**
 * struct vfio_device - a device that programs can be given
 * @dev: the device on its bus
 * @ops: the driver's callbacks
 * @mig_ops: migration callbacks; set before registration, or NULL
 * @log_ops: DMA logging callbacks; set before registration, or NULL
 * @group: the VFIO group this device belongs to, NULL while not registered
 * @group_next: link in the group's list of devices
 * @iommu_entry: link in the list of devices that the group has bound
 * @dev_set: the devices that reset together with this one
 * @dev_set_list: link in &vfio_device_set.device_list
 * @migration_flags: VFIO_MIGRATION_* that the driver supports
 * @precopy_info_v2: a program asked for the second version of
 *	VFIO_MIG_GET_PRECOPY_INFO
 * @kvm: the virtual machine that uses the device, referenced from the first
 *	open to the last close, or NULL
 * @index: N of the name vfioN, and minor number of the node
 * @device: the core's own device; its reference count keeps all of this alive
 * @cdev: the node /dev/vfio/devices/vfioN
 * @refcount: who relies on the device staying registered
 * @open_count: open file descriptors, under the device-set lock
 * @comp: completed when @refcount reaches zero
 * @iommufd_access: an emulated device's way to the IOAS, NULL while unbound
 * @put_kvm: how to give @kvm back
 * @inode: carries the address space of every mapping of the device's regions
 * @iommufd_device: a physical device's binding, NULL while unbound
 * @pasids: PASIDs that are attached, each with the ID it was attached to
 * @iommufd_pt: the ID that the device (not a PASID) was asked to attach to, 0
 *	while it is not attached
 * @iommufd_pt_out: the ID that this attach returned
 * @iommufd_pt_seq: counts attaches and detaches, of the device and its PASIDs
 * @cdev_opened: bound through its own node, not through a group
 * @emulated: DMA is done by the driver, not by a device on a bus
 * @noiommu: no IOMMU stands between the device and memory
 * @debug_root: the device's directory in debugfs
 *
 * A driver may use the members from @dev to @kvm, and @open_count, @inode and
 * @debug_root for reading.  The rest belongs to the core.
 */
struct vfio_device {
	struct device *dev;
	const struct vfio_device_ops *ops;
	const struct vfio_migration_ops *mig_ops;
	const struct vfio_log_ops *log_ops;
#if IS_ENABLED(CONFIG_VFIO_GROUP)
	struct vfio_group *group;
	struct list_head group_next;
	struct list_head iommu_entry;
#endif
	struct vfio_device_set *dev_set;
	struct list_head dev_set_list;
	unsigned int migration_flags;
	u8 precopy_info_v2;
	struct kvm *kvm;

	/* The core's own members. */
	unsigned int index;
	struct device device;
#if IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)
	struct cdev cdev;
#endif
	refcount_t refcount;
	unsigned int open_count;
	struct completion comp;
	struct iommufd_access *iommufd_access;
	void (*put_kvm)(struct kvm *kvm);
	struct inode *inode;
#if IS_ENABLED(CONFIG_IOMMUFD)
	struct iommufd_device *iommufd_device;
	struct xarray pasids;
	u32 iommufd_pt;
	u32 iommufd_pt_out;
	u32 iommufd_pt_seq;
#endif
	u8 cdev_opened:1;
	u8 emulated:1;
	u8 noiommu:1;
	struct dentry *debug_root;
};

/**
 * struct vfio_device_ops - what a VFIO driver does for the core
 * @name: the driver's name, as shown to users
 * @init: fills in the driver's part of a structure just allocated
 * @release: undoes @init; the structure is freed afterwards
 * @bind_iommufd: claims the device for an iommufd and returns its ID there
 * @unbind_iommufd: gives the claim back, and every attachment with it
 * @attach_ioas: attaches to an IOAS or HWPT of that iommufd, or moves to it
 *	when attached already; @pt_id returns what was really attached
 * @detach_ioas: undoes @attach_ioas.  A driver without it whose @attach_ioas
 *	is vfio_iommufd_physical_attach_ioas() gets the matching detach
 * @pasid_attach_ioas: @attach_ioas for the DMA of one PASID
 * @pasid_detach_ioas: undoes @pasid_attach_ioas
 * @open_device: makes the device usable, on the first open
 * @close_device: quiesces the device, on the last close
 * @read: reads a region
 * @write: writes a region
 * @ioctl: every VFIO_DEVICE_* call that the core does not answer by itself
 * @get_region_info_caps: fills in @info for region @info->index and adds the
 *	region's capabilities to @caps
 * @mmap: maps a region
 * @request: asks the user to let go, @count counts the requests so far
 * @match: whether a name given by a user means this device: 0 no, > 0 yes,
 *	< 0 the errno to refuse the name with
 * @match_token_uuid: 0 if the token opens the device, else an errno; @uuid is
 *	NULL when the user gave none
 * @dma_unmap: the pages pinned in this range are about to go, unpin them; may
 *	be called from bind to unbind, so before @open_device as well
 * @device_feature: a feature that the core does not answer by itself
 *
 * @open_device, @close_device, @bind_iommufd, @unbind_iommufd and all of the
 * attach and detach callbacks run under the device-set lock.
 */
struct vfio_device_ops {
	char	*name;
	int	(*init)(struct vfio_device *vdev);
	void	(*release)(struct vfio_device *vdev);
	int	(*bind_iommufd)(struct vfio_device *vdev,
				struct iommufd_ctx *ictx, u32 *out_device_id);
	void	(*unbind_iommufd)(struct vfio_device *vdev);
	int	(*attach_ioas)(struct vfio_device *vdev, u32 *pt_id);
	void	(*detach_ioas)(struct vfio_device *vdev);
	int	(*pasid_attach_ioas)(struct vfio_device *vdev, u32 pasid,
				     u32 *pt_id);
	void	(*pasid_detach_ioas)(struct vfio_device *vdev, u32 pasid);
	int	(*open_device)(struct vfio_device *vdev);
	void	(*close_device)(struct vfio_device *vdev);
	ssize_t	(*read)(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos);
	ssize_t	(*write)(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *size);
	long	(*ioctl)(struct vfio_device *vdev, unsigned int cmd,
			 unsigned long arg);
	int	(*get_region_info_caps)(struct vfio_device *vdev,
					struct vfio_region_info *info,
					struct vfio_info_cap *caps);
	int	(*mmap)(struct vfio_device *vdev, struct vm_area_struct *vma);
	void	(*request)(struct vfio_device *vdev, unsigned int count);
	int	(*match)(struct vfio_device *vdev, char *buf);
	int	(*match_token_uuid)(struct vfio_device *vdev, const uuid_t *uuid);
	void	(*dma_unmap)(struct vfio_device *vdev, u64 iova, u64 length);
	int	(*device_feature)(struct vfio_device *device, u32 flags,
				  void __user *arg, size_t argsz);
};

#if IS_ENABLED(CONFIG_IOMMUFD)
struct iommufd_ctx *vfio_iommufd_device_ictx(struct vfio_device *vdev);
int vfio_iommufd_get_dev_id(struct vfio_device *vdev, struct iommufd_ctx *ictx);
int vfio_iommufd_physical_bind(struct vfio_device *vdev,
			       struct iommufd_ctx *ictx, u32 *out_device_id);
void vfio_iommufd_physical_unbind(struct vfio_device *vdev);
int vfio_iommufd_physical_attach_ioas(struct vfio_device *vdev, u32 *pt_id);
void vfio_iommufd_physical_detach_ioas(struct vfio_device *vdev);
int vfio_iommufd_physical_pasid_attach_ioas(struct vfio_device *vdev,
					    u32 pasid, u32 *pt_id);
void vfio_iommufd_physical_pasid_detach_ioas(struct vfio_device *vdev,
					     u32 pasid);
int vfio_iommufd_emulated_bind(struct vfio_device *vdev,
			       struct iommufd_ctx *ictx, u32 *out_device_id);
void vfio_iommufd_emulated_unbind(struct vfio_device *vdev);
int vfio_iommufd_emulated_attach_ioas(struct vfio_device *vdev, u32 *pt_id);
void vfio_iommufd_emulated_detach_ioas(struct vfio_device *vdev);
#else
static inline struct iommufd_ctx *
vfio_iommufd_device_ictx(struct vfio_device *vdev)
{
	return NULL;
}

static inline int
vfio_iommufd_get_dev_id(struct vfio_device *vdev, struct iommufd_ctx *ictx)
{
	return VFIO_PCI_DEVID_NOT_OWNED;
}

#define vfio_iommufd_physical_bind                                      \
	((int (*)(struct vfio_device *vdev, struct iommufd_ctx *ictx,   \
		  u32 *out_device_id)) NULL)
#define vfio_iommufd_physical_unbind \
	((void (*)(struct vfio_device *vdev)) NULL)
#define vfio_iommufd_physical_attach_ioas \
	((int (*)(struct vfio_device *vdev, u32 *pt_id)) NULL)
#define vfio_iommufd_physical_detach_ioas \
	((void (*)(struct vfio_device *vdev)) NULL)
#define vfio_iommufd_physical_pasid_attach_ioas \
	((int (*)(struct vfio_device *vdev, u32 pasid, u32 *pt_id)) NULL)
#define vfio_iommufd_physical_pasid_detach_ioas \
	((void (*)(struct vfio_device *vdev, u32 pasid)) NULL)
#define vfio_iommufd_emulated_bind                                      \
	((int (*)(struct vfio_device *vdev, struct iommufd_ctx *ictx,   \
		  u32 *out_device_id)) NULL)
#define vfio_iommufd_emulated_unbind \
	((void (*)(struct vfio_device *vdev)) NULL)
#define vfio_iommufd_emulated_attach_ioas \
	((int (*)(struct vfio_device *vdev, u32 *pt_id)) NULL)
#define vfio_iommufd_emulated_detach_ioas \
	((void (*)(struct vfio_device *vdev)) NULL)
#endif

/**
 * vfio_device_cdev_opened - Was the device bound through its own node?
 * @device: a bound device
 *
 * Return: true for a device opened by /dev/vfio/devices/vfioN, false for one
 * that came out of a group.
 */
static inline bool vfio_device_cdev_opened(struct vfio_device *device)
{
	return device->cdev_opened;
}

/**
 * struct vfio_migration_ops - how a driver saves and restores a device
 * @migration_set_state: takes one arc of the migration state machine; returns
 *	the file that carries the device's data when the arc has one, NULL when
 *	it has none, or an ERR_PTR.  Such a file must come to its end, or to an
 *	error, when the state that it serves is left and when the device closes
 * @migration_get_state: tells the present state
 * @migration_get_data_size: estimates how many bytes saving would produce
 *	after the device is stopped
 *
 * A driver that supports migration supplies all three.
 */
struct vfio_migration_ops {
	struct file *(*migration_set_state)(struct vfio_device *device,
					    enum vfio_device_mig_state new_state);
	int (*migration_get_state)(struct vfio_device *device,
				   enum vfio_device_mig_state *curr_state);
	int (*migration_get_data_size)(struct vfio_device *device,
				       unsigned long *stop_copy_length);
};

/**
 * struct vfio_log_ops - how a driver reports where its device wrote
 * @log_start: begins to log writes to @ranges, an interval tree with @nnodes
 *	entries; @page_size is the granule wished for and returns the real one
 * @log_stop: ends logging
 * @log_read_and_clear: sets a bit in @dirty for each granule of the range
 *	that was written since the last call
 *
 * The core keeps no record of whether a log runs.  Every callback can come at
 * any time and in any order, and the driver has to refuse what makes no sense
 * (a second start, a read or stop without a start).
 */
struct vfio_log_ops {
	int (*log_start)(struct vfio_device *device,
			 struct rb_root_cached *ranges, u32 nnodes,
			 u64 *page_size);
	int (*log_stop)(struct vfio_device *device);
	int (*log_read_and_clear)(struct vfio_device *device,
				  unsigned long iova, unsigned long length,
				  struct iova_bitmap *dirty);
};

/**
 * vfio_check_feature - Check the header of a VFIO_DEVICE_FEATURE call
 * @flags: as given to the driver's device_feature callback
 * @argsz: size of the payload, in bytes
 * @supported_ops: VFIO_DEVICE_FEATURE_GET, _SET or both, as implemented
 * @minsz: smallest payload that makes sense, in bytes
 *
 * Return: 1 when the driver shall now do the get or set.  Otherwise what the
 * callback shall return: 0 for a successful probe, -EINVAL when the operation
 * is not supported, none is given, or the payload is too small.
 */
static inline int vfio_check_feature(u32 flags, size_t argsz, u32 supported_ops,
				     size_t minsz)
{
	u32 ops = flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET);

	if (ops & ~supported_ops)
		return -EINVAL;
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (!ops || argsz < minsz)
		return -EINVAL;
	return 1;
}

/**
 * vfio_check_precopy_ioctl - Check a VFIO_MIG_GET_PRECOPY_INFO call
 * @vdev: the device that is being migrated
 * @cmd: the number of the call
 * @arg: the call's argument
 * @info: where the argument is copied to
 *
 * Programs of the first version leave rubbish in the flags, which therefore
 * stay as they are for them; for the second version they are an output and
 * begin as 0.
 *
 * Return: 0, -ENOTTY when @cmd is another call, -EFAULT when @arg cannot be
 * read, -EINVAL when the user's structure is too small.
 */
static inline int
vfio_check_precopy_ioctl(struct vfio_device *vdev, unsigned int cmd,
			 unsigned long arg, struct vfio_precopy_info *info)
{
	const size_t minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info->argsz < minsz)
		return -EINVAL;
	if (vdev->precopy_info_v2)
		info->flags = 0;
	return 0;
}

struct vfio_device *_vfio_alloc_device(size_t size, struct device *dev,
				       const struct vfio_device_ops *ops);

/**
 * vfio_alloc_device - Allocate a driver's structure with its vfio_device
 * @dev_struct: tag of the driver's structure
 * @member: its struct vfio_device, which must come first
 * @dev: the device on its bus
 * @ops: the driver's callbacks
 *
 * Return: the structure, zeroed and passed through @ops->init, or an ERR_PTR.
 */
#define vfio_alloc_device(dev_struct, member, dev, ops)				\
	container_of(_vfio_alloc_device(sizeof(struct dev_struct) +		\
					BUILD_BUG_ON_ZERO(offsetof(		\
						struct dev_struct, member)),	\
					dev, ops),				\
		     struct dev_struct, member)

/**
 * vfio_put_device - Drop the reference that vfio_alloc_device() returned
 * @device: a device that is not, or no longer, registered
 */
static inline void vfio_put_device(struct vfio_device *device)
{
	put_device(&device->device);
}

int vfio_register_group_dev(struct vfio_device *device);
int vfio_register_emulated_iommu_dev(struct vfio_device *device);
void vfio_unregister_group_dev(struct vfio_device *device);
bool vfio_device_try_get_registration(struct vfio_device *device);
void vfio_device_put_registration(struct vfio_device *device);

int vfio_assign_device_set(struct vfio_device *device, void *set_id);
unsigned int vfio_device_set_open_count(struct vfio_device_set *dev_set);
struct vfio_device *
vfio_find_device_in_devset(struct vfio_device_set *dev_set,
			   struct device *dev);

int vfio_mig_get_next_state(struct vfio_device *device,
			    enum vfio_device_mig_state cur_fsm,
			    enum vfio_device_mig_state new_fsm,
			    enum vfio_device_mig_state *next_fsm);

void vfio_combine_iova_ranges(struct rb_root_cached *root, u32 cur_nodes,
			      u32 req_nodes);

/* What KVM and vfio-pci ask of a file that a user handed to them. */
struct iommu_group *vfio_file_iommu_group(struct file *file);

#if IS_ENABLED(CONFIG_VFIO_GROUP)
bool vfio_file_is_group(struct file *file);
bool vfio_file_has_dev(struct file *file, struct vfio_device *device);
#else
static inline bool vfio_file_is_group(struct file *file)
{
	return false;
}

static inline bool vfio_file_has_dev(struct file *file, struct vfio_device *device)
{
	return false;
}
#endif
bool vfio_file_is_valid(struct file *file);
bool vfio_file_enforced_coherent(struct file *file);
void vfio_file_set_kvm(struct file *file, struct kvm *kvm);

/* The most pages that one vfio_pin_pages() can pin. */
#define VFIO_PIN_PAGES_MAX_ENTRIES	(PAGE_SIZE / sizeof(unsigned long))

int vfio_pin_pages(struct vfio_device *device, dma_addr_t iova,
		   int npage, int prot, struct page **pages);
void vfio_unpin_pages(struct vfio_device *device, dma_addr_t iova, int npage);
int vfio_dma_rw(struct vfio_device *device, dma_addr_t iova,
		void *data, size_t len, bool write);

/**
 * struct vfio_info_cap - a growing chain of capabilities for an info call
 * @buf: the chain, to be freed with kfree() by whoever started it
 * @size: its size in bytes
 */
struct vfio_info_cap {
	struct vfio_info_cap_header *buf;
	size_t size;
};

struct vfio_info_cap_header *vfio_info_cap_add(struct vfio_info_cap *caps,
					       size_t size, u16 id,
					       u16 version);
void vfio_info_cap_shift(struct vfio_info_cap *caps, size_t offset);

int vfio_info_add_capability(struct vfio_info_cap *caps,
			     struct vfio_info_cap_header *cap, size_t size);

int vfio_set_irqs_validate_and_prepare(struct vfio_irq_set *hdr,
				       int num_irqs, int max_irq_type,
				       size_t *data_size);

/**
 * struct virqfd - an eventfd that makes the kernel do something when signalled
 * @opaque: the driver's own, passed to both callbacks
 * @eventfd: the eventfd
 * @handler: called in atomic context for each signal; a non-zero return has
 *	@thread called as well
 * @thread: called in process context
 * @data: passed to both callbacks
 * @inject: runs @thread
 * @wait: our entry in the eventfd's wait queue
 * @pt: how @wait got there
 * @shutdown: takes everything down again
 * @flush_inject: runs @inject until it has nothing left to do
 * @pvirqfd: the driver's pointer to this structure
 */
struct virqfd {
	void			*opaque;
	struct eventfd_ctx	*eventfd;
	int			(*handler)(void *opaque, void *data);
	void			(*thread)(void *opaque, void *data);
	void			*data;
	struct work_struct	inject;
	wait_queue_entry_t	wait;
	poll_table		pt;
	struct work_struct	shutdown;
	struct work_struct	flush_inject;
	struct virqfd		**pvirqfd;
};

int vfio_virqfd_enable(void *opaque, int (*handler)(void *, void *),
		       void (*thread)(void *, void *), void *data,
		       struct virqfd **pvirqfd, int fd);
void vfio_virqfd_disable(struct virqfd **pvirqfd);
void vfio_virqfd_flush_thread(struct virqfd **pvirqfd);

#endif /* VFIO_H */
