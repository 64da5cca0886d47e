/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * vggaccel: the device.
 *
 * This header is the specification of the card: its registers, the rings and
 * page tables it reads from host memory, its commands, the arithmetic of each
 * command to the bit, and the name of everything that can go wrong. Driver,
 * simulator, library and tests include it and hold no second copy of any
 * number in it.
 *
 * It compiles alone, in C, in the kernel and in user space.
 *
 *
 * 1. BAR0
 *
 * One 64 KiB memory BAR, 32-bit, non-prefetchable. Only aligned 32-bit
 * accesses are legal. Everything is little-endian. The doorbells have a 4 KiB
 * page of their own and are write-only (they read as 0). No illegal write is
 * dropped silently: it changes nothing and latches a VGG_STATUS_REG_* code in
 * the ERR block.
 *
 *
 * 2. Queues
 *
 * Two rings in host memory, physically contiguous, aligned to 4 KiB, with a
 * power of two of entries. The host writes struct vgg_hw_sqe and tells the new
 * tail by the doorbell DB_SQ_TAIL; the card fetches the entries in order, runs
 * each and writes one struct vgg_hw_cqe per entry to the completion ring. The
 * last word of a completion holds the phase bit and is written last: phase is 1
 * in the first pass over the ring, 0 in the second, and so on. An entry whose
 * phase bit differs from the previous pass is new; no register read is needed.
 * The host frees completion entries by DB_CQ_HEAD. A ring is empty if head and
 * tail are equal and full if tail + 1 equals head (modulo the size). The card
 * stops fetching while the completion ring is full.
 *
 * The interrupt (cause VGG_IRQ_CQ) is raised after the entry was written. With
 * MSI each (coalesced) completion event sends a message whatever IRQ_STATUS
 * says, so that the completion path needs no register access; with INTx the
 * line is high while IRQ_STATUS & ~IRQ_MASK is not 0. Completions may share an
 * interrupt: see IRQ_COUNT and IRQ_TIME.
 *
 *
 * 3. Address translation
 *
 * A command stream holds 39-bit device-virtual addresses only. Each submission
 * names the root of a three-level page table in host memory (4 KiB tables of
 * 512 64-bit entries, indexed by address bits 38:30, 29:21 and 20:12). A leaf
 * maps 4 KiB (third level) or 2 MiB (second level, VGG_PTE_LEAF) of host
 * memory or, with VGG_PTE_LOCAL, of on-board memory. Translations are cached
 * for the time of one job only, so tables may be changed between jobs without
 * any invalidation, and leaves that no job in flight uses at any time.
 *
 *
 * 4. Execution
 *
 * A stream is an array of 128-byte commands that ends with END. Two engines
 * run it: DMA (COPY, FILL) and MAC (CONV, POOL). Each engine works in order
 * and sees its own earlier results; between the two there is no order except
 * that a FENCE waits for both. NOP, TIMESTAMP and END belong to neither engine;
 * TIMESTAMP and END wait for both, as FENCE does. A stream that reads with one
 * engine what the other wrote without a FENCE in between has no defined result.
 * Within one command, source and destination must not overlap.
 *
 * The first illegal command or faulting address ends the job: commands before
 * it may have been executed, those after it are not, except for those of the
 * other engine up to the next FENCE. The completion says which (status, index).
 *
 *
 * 5. Arithmetic
 *
 * All integers are two's complement; >> on a signed value is arithmetic.
 * Tensors are NHWC int8, one image.
 *
 *   acc  = bias[k] + sum over taps of w * x           modulo 2^32
 *   acc  = max(acc, 0)                                 only with CONV_RELU
 *   t    = ((s64)acc * mult[k] + (1 << (shift[k] - 1))) >> shift[k]
 *   t    = t + offset[k]                               64 bits wide
 *   y    = min(max(t, lo), hi)
 *
 * A tap outside the input reads pad_value (for CONV: the input's zero point).
 * mult is a signed 32-bit number, shift is 1..62, offset is within +-2^31, lo
 * and hi are int8 with lo <= hi. With CONV_OUT32 the result is acc itself, as
 * int32, and nothing after it takes place. Each y with t < lo or t > hi counts
 * as one saturation.
 *
 * Rectifying before scaling makes a BatchNorm behind the ReLU free: its scale
 * (of any sign) lies in mult, its shift in offset. A rectifier without such a
 * BatchNorm can as well be made by lo.
 *
 * Fused max-pooling takes the maximum over the clamped y; taps of the pooling
 * window that lie outside the convolution's output are left out. Only outputs
 * that some window reads are computed (and counted).
 *
 * POOL_MAX leaves out taps outside the input, POOL_AVG computes
 *
 *   acc = bias[n] + sum of taps; t, y as above with mult[n], shift[n],
 *   offset[n]
 *
 * where a tap outside reads pad_value and n = kernel_h * kernel_w, or, with
 * POOL_EXCLUDE_PAD, is left out, and n = number of taps inside the input. The
 * table has kernel_h * kernel_w entries; entry n - 1 serves n taps.
 */
#ifndef VGGACCEL_HW_H
#define VGGACCEL_HW_H

#include <linux/types.h>

/* PCI identity. 0x1d1d is not assigned to us; see README, limits. */
#define VGG_PCI_VENDOR_ID	0x1d1d
#define VGG_PCI_DEVICE_ID	0x5647
#define VGG_PCI_CLASS		0x120000 /* processing accelerator */
#define VGG_MSI_VECTORS		4

#define VGG_BAR0_SIZE		0x10000
#define VGG_REG_MAGIC_VALUE	0x41474756 /* "VGGA" in memory order */
#define VGG_HW_VERSION_VALUE	0x00010000 /* major << 16 | minor */
#define VGG_FW_ABI_VALUE	1u
#define VGG_HW_VERSION_MAJOR(v)	((v) >> 16)

/*
 * The registers: R(name, offset, reset, ro, w1c, description)
 *
 * ro:  bits that a write must leave as they are (writing the value that was
 *      read is legal); trying to change one latches REG_READONLY
 * w1c: bits that writing 1 clears, and writing 0 leaves alone
 * all other bits are readable and writable. Capability registers show the card
 * profile; the reset value here is that of the default card.
 */
#define VGG_HW_REGS(R) \
	/* ID: who the card is and what it can do; constant */ \
	R(MAGIC,	  0x0000, VGG_REG_MAGIC_VALUE,	0xffffffff, 0, "VGGA") \
	R(HW_VERSION,	  0x0004, VGG_HW_VERSION_VALUE, 0xffffffff, 0, "specification, major << 16 | minor") \
	R(FW_ABI,	  0x0008, VGG_FW_ABI_VALUE, 0xffffffff, 0, "version of rings and commands") \
	R(CAPS,		  0x000c, 0x0000001f, 0xffffffff, 0, "VGG_CAP_* bits") \
	R(CAP_MAC,	  0x0010, 0x00200040, 0xffffffff, 0, "MAC array, columns << 16 | rows") \
	R(CAP_CLOCK,	  0x0014, 200000,     0xffffffff, 0, "clock, kHz") \
	R(CAP_LOCAL,	  0x0018, 512,	      0xffffffff, 0, "on-board memory, MiB") \
	R(CAP_LOCAL_BW,	  0x001c, 12800,      0xffffffff, 0, "on-board memory bandwidth, MB/s (10^6)") \
	R(CAP_ONCHIP,	  0x0020, 2048,	      0xffffffff, 0, "on-chip memory, KiB") \
	R(CAP_LINK,	  0x0024, 0x00040001, 0xffffffff, 0, "PCIe lanes << 16 | generation") \
	R(CAP_LINK_BW,	  0x0028, 800,	      0xffffffff, 0, "DMA payload bandwidth of that link, MB/s (10^6)") \
	R(CAP_LIMITS,	  0x002c, 0x000c0040, 0xffffffff, 0, "log2 of the largest ring << 16 | contexts") \
	R(CAP_OVERHEAD,	  0x0030, 0x02000100, 0xffffffff, 0, "cycles per job << 16 | cycles per command") \
	R(BUILD_HASH,	  0x0034, 0,	      0xffffffff, 0, "first 32 bits of the build's hash, 0 if unknown") \
	R(SCRATCH,	  0x0038, 0,	      0x00000000, 0, "no effect; survives a soft reset") \
	/* CTRL */ \
	R(CTRL,		  0x0100, 0,	      0xfffffffc, 0, "VGG_CTRL_* bits") \
	R(STATUS,	  0x0104, VGG_DEV_READY, 0xffffffff, 0, "VGG_DEV_* bits") \
	R(ABORT,	  0x0108, 0,	      0x7fff0000, 0, "bit 31 + context: abort that context's running job; reads 0") \
	R(WATCHDOG,	  0x010c, 0,	      0x00000000, 0, "limit of a job without a timeout of its own, us of card time; 0: none") \
	/* ERR: the first error since the latch was cleared */ \
	R(ERR_STATUS,	  0x0200, 0,	      0xfffffffc, 0x3, "VGG_ERR_* bits; clearing VALID rearms the latch") \
	R(ERR_CODE,	  0x0204, 0,	      0xffffffff, 0, "VGG_STATUS_*") \
	R(ERR_CONTEXT,	  0x0208, 0,	      0xffffffff, 0, "context of the job") \
	R(ERR_INDEX,	  0x020c, 0,	      0xffffffff, 0, "index of the command in its stream") \
	R(ERR_TAG,	  0x0210, 0,	      0xffffffff, 0, "layer tag of the command, else of the job") \
	R(ERR_SEQ,	  0x0214, 0,	      0xffffffff, 0, "sequence number of the job") \
	R(ERR_ADDR_LO,	  0x0218, 0,	      0xffffffff, 0, "faulting address, or offset of the register") \
	R(ERR_ADDR_HI,	  0x021c, 0,	      0xffffffff, 0, "its upper half") \
	/* IRQ */ \
	R(IRQ_STATUS,	  0x0300, 0,	      0xfffffff8, 0x7, "VGG_IRQ_* causes") \
	R(IRQ_MASK,	  0x0304, 0x7,	      0xfffffff8, 0, "causes that don't interrupt") \
	R(IRQ_SET,	  0x0308, 0,	      0xfffffff8, 0, "raises causes by software; reads 0") \
	R(IRQ_COUNT,	  0x030c, 1,	      0x7fff0000, 0, "coalescing: completions per interrupt, 1..65535, and VGG_IRQ_IDLE") \
	R(IRQ_TIME,	  0x0310, 0,	      0xffff0000, 0, "coalescing: longest delay of an interrupt, us; 0: no delay, no coalescing") \
	/* Rings; may change only while CTRL_ENABLE and DEV_BUSY are clear; a write to one empties it */ \
	R(SQ_BASE_LO,	  0x0400, 0,	      0x00000fff, 0, "submission ring, host address") \
	R(SQ_BASE_HI,	  0x0404, 0,	      0xffff0000, 0, "its upper half") \
	R(SQ_SIZE,	  0x0408, 0,	      0xffffffe0, 0, "log2 of its entries, 1..CAP_LIMITS") \
	R(SQ_HEAD,	  0x040c, 0,	      0xffffffff, 0, "next entry the card fetches") \
	R(CQ_BASE_LO,	  0x0410, 0,	      0x00000fff, 0, "completion ring, host address") \
	R(CQ_BASE_HI,	  0x0414, 0,	      0xffff0000, 0, "its upper half") \
	R(CQ_SIZE,	  0x0418, 0,	      0xffffffe0, 0, "log2 of its entries, 1..CAP_LIMITS") \
	R(CQ_TAIL,	  0x041c, 0,	      0xffffffff, 0, "next entry the card writes") \
	/* PERF: 64-bit counters; reading LO freezes HI until it is read */ \
	R(CYCLES_LO,	  0x0500, 0,	      0xffffffff, 0, "free-running cycles of card time") \
	R(CYCLES_HI,	  0x0504, 0,	      0xffffffff, 0, "") \
	R(MAC_BUSY_LO,	  0x0508, 0,	      0xffffffff, 0, "cycles in which the MAC engine worked") \
	R(MAC_BUSY_HI,	  0x050c, 0,	      0xffffffff, 0, "") \
	R(DMA_BUSY_LO,	  0x0510, 0,	      0xffffffff, 0, "cycles in which the DMA engine worked") \
	R(DMA_BUSY_HI,	  0x0514, 0,	      0xffffffff, 0, "") \
	R(BYTES_LO,	  0x0518, 0,	      0xffffffff, 0, "bytes moved over PCIe by commands") \
	R(BYTES_HI,	  0x051c, 0,	      0xffffffff, 0, "") \
	R(SAT_LO,	  0x0520, 0,	      0xffffffff, 0, "saturated results") \
	R(SAT_HI,	  0x0524, 0,	      0xffffffff, 0, "") \
	R(JOBS,		  0x0528, 0,	      0xffffffff, 0, "jobs completed, with whatever status") \
	R(ECC_ERRORS,	  0x052c, 0,	      0xffffffff, 0, "uncorrectable memory errors") \
	R(TEMPERATURE,	  0x0530, 45000,      0xffffffff, 0, "millidegrees Celsius") \
	/* INJECT: only where VGG_CAP_INJECT is set, else illegal to write */ \
	R(INJECT_FAULT,	  0x0600, 0,	      0xffffffe0, 0, "VGG_FAULT_* to provoke; 0: none") \
	R(INJECT_AFTER,	  0x0604, 0,	      0x00000000, 0, "jobs to let pass before it") \
	R(INJECT_COUNT,	  0x0608, 1,	      0x00000000, 0, "how many times; counts down to 0") \
	R(INJECT_ARG,	  0x060c, 0,	      0x00000000, 0, "detail, see VGG_FAULT_*") \
	/* Doorbells: a page of their own, write-only, they read as 0 */ \
	R(DB_SQ_TAIL,	  0x1000, 0,	      0x00000000, 0, "new tail of the submission ring, below its size") \
	R(DB_CQ_HEAD,	  0x1004, 0,	      0x00000000, 0, "new head of the completion ring, below its size")

#define VGG_HW_REG_OFFSET(name, offset, reset, ro, w1c, text) VGG_REG_##name = offset,
enum vgg_hw_reg { VGG_HW_REGS(VGG_HW_REG_OFFSET) };
#undef VGG_HW_REG_OFFSET

/* CAPS */
#define VGG_CAP_INJECT		(1u << 0) /* the INJECT block works */
#define VGG_CAP_MSI		(1u << 1)
#define VGG_CAP_INTX		(1u << 2)
#define VGG_CAP_LOCAL		(1u << 3) /* there is on-board memory */
#define VGG_CAP_SIMULATED	(1u << 4) /* a simulator, not silicon */

/* CTRL */
/* Setting ENABLE checks the rings and starts fetching; clearing it stops
 * fetching, a running job is completed. */
#define VGG_CTRL_ENABLE		(1u << 0)
/* Ends the running job without a completion, empties rings, clears ENABLE and
 * all registers but SCRATCH to their reset values. DEV_READY is clear while it
 * lasts; once it is set again the card touches host memory no more. Reads 0. */
#define VGG_CTRL_RESET		(1u << 1)

/* STATUS */
#define VGG_DEV_READY		(1u << 0) /* firmware runs, no reset under way */
#define VGG_DEV_BUSY		(1u << 1) /* a job is being executed */
#define VGG_DEV_HALTED		(1u << 2) /* stopped by VGG_STATUS_RING or _BUS_MASTER; reset */

/* ERR_STATUS */
#define VGG_ERR_VALID		(1u << 0) /* the ERR block holds the first error */
#define VGG_ERR_MORE		(1u << 1) /* others followed */

/* IRQ causes; cause i uses MSI vector min(i, vectors - 1) */
#define VGG_IRQ_CQ		(1u << 0) /* completions were written */
#define VGG_IRQ_ERR		(1u << 1) /* the ERR latch was set */
#define VGG_IRQ_SW		(1u << 2) /* IRQ_SET, for tests */
#define VGG_IRQ_ALL		0x7u

/* IRQ_COUNT: a completion also interrupts, whatever the count and the time, if
 * the submission ring is empty then. So nobody waits for a coalesced interrupt
 * of a card that has nothing more to do. */
#define VGG_IRQ_IDLE		(1u << 31)
#define VGG_IRQ_COUNT_MASK	0xffffu

/* ABORT */
#define VGG_ABORT_GO		(1u << 31)
#define VGG_ABORT_CONTEXT	0xffffu

/*
 * Status codes: S(NAME, code, text). They stand in completions and in
 * ERR_CODE. 0x1x: the submission, 0x2x: a command, 0x3x: an address, 0x4x: the
 * end of a job by other means, 0x5x: registers, 0x6x: the card itself.
 */
#define VGG_HW_STATUSES(S) \
	S(OK,		0x00, "success") \
	S(SQE,		0x10, "reserved bits set in a submission entry") \
	S(CONTEXT,	0x11, "context number beyond CAP_LIMITS") \
	S(LENGTH,	0x12, "stream length is 0, too large or no multiple of 128") \
	S(STREAM_ALIGN,	0x13, "stream or page-table root is misaligned") \
	S(NO_END,	0x14, "stream has no END") \
	S(OPCODE,	0x20, "unknown opcode") \
	S(RESERVED,	0x21, "undefined flag, or a reserved field is not 0") \
	S(SHAPE,	0x22, "a size is 0 or beyond its limit, or input and kernel give no output") \
	S(KERNEL,	0x23, "kernel size out of range") \
	S(STRIDE,	0x24, "stride out of range") \
	S(PAD,		0x25, "padding out of range") \
	S(PITCH,	0x26, "a pitch is smaller than what it spans, or beyond its limit") \
	S(CLAMP,	0x27, "lo is greater than hi") \
	S(PARAM,	0x28, "shift out of range or reserved bytes set in the parameter table") \
	S(ALIGN,	0x29, "an address or pitch has not the alignment its field asks for") \
	S(FUSION,	0x2a, "fused pooling with int32 output, or a bad pooling window") \
	S(RANGE,	0x30, "address or extent beyond 39 bits") \
	S(UNMAPPED,	0x31, "address is not mapped in this context") \
	S(WRITE,	0x32, "write to a page mapped read-only") \
	S(PTE,		0x33, "malformed page-table entry") \
	S(LOCAL,	0x34, "page-table entry beyond the on-board memory") \
	S(DMA,		0x35, "host memory did not answer") \
	S(TIMEOUT,	0x40, "time limit of the job exceeded") \
	S(ABORTED,	0x41, "job aborted by the host") \
	S(REG_OFFSET,	0x50, "no register at this offset") \
	S(REG_WIDTH,	0x51, "register access is not an aligned 32-bit one") \
	S(REG_READONLY,	0x52, "write to a read-only bit") \
	S(REG_VALUE,	0x53, "illegal register value") \
	S(REG_STATE,	0x54, "register must not change in this state") \
	S(DOORBELL,	0x55, "doorbell value beyond the ring, or card not enabled") \
	S(RING,		0x60, "a ring in host memory did not answer") \
	S(BUS_MASTER,	0x61, "bus mastering is off") \
	S(ECC,		0x62, "uncorrectable memory error")

#define VGG_HW_STATUS_CODE(name, code, text) VGG_STATUS_##name = code,
enum vgg_hw_status { VGG_HW_STATUSES(VGG_HW_STATUS_CODE) };
#undef VGG_HW_STATUS_CODE

/*
 * Faults the card can provoke on itself: F(NAME, id, text). "the job" is the
 * one chosen by INJECT_AFTER.
 */
#define VGG_HW_FAULTS(F) \
	F(NONE,		   0, "none") \
	F(HANG,		   1, "never complete the job, until a reset") \
	F(LOST_IRQ,	   2, "complete without an interrupt") \
	F(LATE_COMPLETION, 3, "complete only after the next reset and enable") \
	F(SPURIOUS_IRQ,	   4, "an interrupt without a cause before the job") \
	F(STUCK_IRQ,	   5, "hold the interrupt line, until a reset") \
	F(ALL_ONES,	   6, "fall off the bus: all reads give ~0, nothing else happens") \
	F(BAD_SEQ,	   7, "completion with a wrong sequence number (xor ARG, or 1)") \
	F(BAD_STATUS,	   8, "completion with the undefined status 0xff") \
	F(DUP_COMPLETION,  9, "complete twice") \
	F(WILD_HEAD,	  10, "SQ_HEAD and CQ_TAIL read beyond the ring") \
	F(STRAY_DMA,	  11, "read device address ARG << 12 instead of the first operand") \
	F(ECC,		  12, "uncorrectable memory error during the job") \
	F(HW_VERSION,	  13, "HW_VERSION reads with another major number, at once") \
	F(BIT_FLIP,	  14, "flip bit ARG % 8 of the first byte the last CONV wrote") \
	F(SLOW,		  15, "the job takes ARG us longer (card time and real time)")

#define VGG_HW_FAULT_ID(name, id, text) VGG_FAULT_##name = id,
enum vgg_hw_fault { VGG_HW_FAULTS(VGG_HW_FAULT_ID) };
#undef VGG_HW_FAULT_ID

/* Submission ring entry. */
struct vgg_hw_sqe {
	__le32 seq;		/* returned in the completion */
	__le16 context;		/* below CAP_LIMITS; names the job's owner */
	__le16 flags;		/* 0 */
	__le64 root;		/* host address of the page-table root, 4 KiB aligned */
	__le64 stream;		/* device address of the commands, 128-byte aligned */
	__le32 stream_bytes;	/* multiple of 128, 128..VGG_STREAM_MAX */
	__le32 timeout_us;	/* limit in card time; 0: WATCHDOG's */
	__le32 tag;		/* layer tag for errors outside any command */
	__le32 generation;	/* returned in the completion */
	__le32 reserved[6];	/* 0 */
};

/* Completion ring entry. */
struct vgg_hw_cqe {
	__le64 cycles;		/* card time the job took */
	__le32 seq;		/* of the submission */
	__le32 generation;	/* of the submission */
	__le32 saturations;	/* saturated results, at most 2^32 - 1 */
	__le32 index;		/* first failing command; commands executed if OK */
	__le32 tag;		/* layer tag of the failing command, else of the job */
	__le16 status;		/* VGG_STATUS_* */
	__le16 phase;		/* bit 0: phase; bits 15..1: 0 */
};

/* Page-table entries. */
#define VGG_VA_BITS		39
#define VGG_PAGE_SHIFT		12
#define VGG_PAGE_SIZE		(1u << VGG_PAGE_SHIFT)
#define VGG_HUGE_SHIFT		21
#define VGG_PT_LEVELS		3
#define VGG_PT_BITS		9
#define VGG_PT_ENTRIES		(1u << VGG_PT_BITS)
#define VGG_PTE_VALID		(1ull << 0)
#define VGG_PTE_WRITE		(1ull << 1) /* leaf: the card may write */
#define VGG_PTE_LOCAL		(1ull << 2) /* leaf: on-board memory */
#define VGG_PTE_LEAF		(1ull << 3) /* second level: maps 2 MiB; third level: must be set */
#define VGG_PTE_ADDR		0x0000fffffffff000ull
/* An entry without VALID maps nothing, whatever its other bits. In a valid one
 * all bits not named here must be 0, a table entry (no LEAF) has neither WRITE
 * nor LOCAL, and a 2 MiB leaf's address is aligned to 2 MiB. */

/*
 * Commands. All are 128 bytes and start with struct vgg_hw_cmd_head; unused
 * and reserved bytes are 0.
 */
#define VGG_CMD_SIZE		128
#define VGG_STREAM_MAX		(1u << 22)

enum vgg_hw_opcode {
	VGG_CMD_NOP = 0,
	VGG_CMD_FILL = 1,
	VGG_CMD_COPY = 2,
	VGG_CMD_CONV = 3,
	VGG_CMD_POOL = 4,
	VGG_CMD_FENCE = 5,
	VGG_CMD_TIMESTAMP = 6,
	VGG_CMD_END = 7,
};

struct vgg_hw_cmd_head {
	__le16 opcode;
	__le16 flags;		/* VGG_CONV_*, VGG_POOL_*; 0 for others */
	__le32 tag;		/* layer tag, for errors */
};

/* NOP, FENCE, END */
struct vgg_hw_cmd_plain {
	struct vgg_hw_cmd_head head;
	__le64 reserved[15];
};

/* FILL: `height` rows of `width` bytes of `value`. */
struct vgg_hw_cmd_fill {
	struct vgg_hw_cmd_head head;
	__le64 dst;
	__le32 width;		/* bytes, 1..VGG_EXTENT_MAX */
	__le32 height;		/* rows, 1..VGG_EXTENT_MAX */
	__le32 dst_pitch;	/* bytes from row to row, >= width if height > 1 */
	__u8 value;
	__u8 reserved0[3];
	__le64 reserved[12];
};

/* COPY: `height` rows of `width` bytes. */
struct vgg_hw_cmd_copy {
	struct vgg_hw_cmd_head head;
	__le64 src;
	__le64 dst;
	__le32 width;		/* bytes, 1..VGG_EXTENT_MAX */
	__le32 height;		/* rows, 1..VGG_EXTENT_MAX */
	__le32 src_pitch;	/* bytes from row to row, >= width if height > 1 */
	__le32 dst_pitch;	/* bytes from row to row, >= width if height > 1 */
	__le64 reserved[11];
};

/* Per-channel parameters of CONV, per-count parameters of POOL_AVG. */
struct vgg_hw_qparam {
	__le32 bias;		/* signed */
	__le32 mult;		/* signed */
	__le32 offset;		/* signed; the output's zero point, and a BatchNorm's shift */
	__u8 shift;		/* 1..62 */
	__u8 reserved[3];
};

/* Window of a kernel over an image. */
struct vgg_hw_window {
	__u8 kernel_h, kernel_w;
	__u8 stride_h, stride_w;
	__u8 pad_top, pad_left, pad_bottom, pad_right;	/* each below the kernel's size */
};

/*
 * CONV: out_c filters over an in_h x in_w x in_c image.
 *
 * conv_h = (in_h + pad_top + pad_bottom - kernel_h) / stride_h + 1 (rounded
 * down), conv_w alike; with CONV_POOL the output is the pooled size by the same
 * formula from conv_h x conv_w and `pool`, else it is conv_h x conv_w.
 *
 * Pixel (y, x) of the input starts at src + y * src_pitch + x * src_pixel,
 * output pixels likewise; so a range of rows is a matter of src, dst, in_h and
 * pads, and a range of output channels of dst, weights and params.
 *
 * Filter k starts at weights + k * weight_pitch and is [kernel_h][kernel_w]
 * [in_c] without gaps. `params` has out_c entries; it is not read with
 * CONV_OUT32, where `biases` (int32 each) lie at params instead. A fully
 * connected layer is a CONV with in_h = in_w = kernel = 1.
 */
struct vgg_hw_cmd_conv {
	struct vgg_hw_cmd_head head;
	__le64 src;
	__le64 dst;		/* with CONV_OUT32: 4-byte aligned */
	__le64 weights;
	__le64 params;		/* 16-byte aligned */
	__le16 in_h, in_w;	/* 1..VGG_DIM_MAX */
	__le32 in_c;		/* 1..VGG_CHANNELS_MAX */
	__le32 out_c;		/* 1..VGG_CHANNELS_MAX */
	__le32 src_pitch;	/* bytes; >= in_w * src_pixel */
	__le32 src_pixel;	/* bytes; >= in_c */
	__le32 dst_pitch;	/* bytes; >= out_w * dst_pixel; OUT32: multiple of 4 */
	__le32 dst_pixel;	/* bytes; >= out_c (OUT32: 4 * out_c, multiple of 4) */
	__le32 weight_pitch;	/* bytes; >= kernel_h * kernel_w * in_c */
	struct vgg_hw_window win;	/* kernel 1..11, stride 1..4 */
	struct vgg_hw_window pool;	/* with CONV_POOL: kernel 1..8, stride 1..8; else 0 */
	__s8 pad_value;
	__s8 lo, hi;		/* lo <= hi; both 0 with CONV_OUT32 */
	__u8 reserved0[5];
	__le64 reserved[4];
};

#define VGG_CONV_RELU		(1u << 0) /* rectify the accumulator */
#define VGG_CONV_OUT32		(1u << 1) /* store the accumulator */
#define VGG_CONV_POOL		(1u << 2) /* max-pool the result */
#define VGG_CONV_FLAGS		0x7u

/* POOL: each channel for itself. Sizes, addresses and pitches as in CONV. */
struct vgg_hw_cmd_pool {
	struct vgg_hw_cmd_head head;
	__le64 src;
	__le64 dst;
	__le64 params;		/* POOL_AVG: 16-byte aligned table; else 0 */
	__le16 in_h, in_w;
	__le32 channels;
	__le32 src_pitch, src_pixel;
	__le32 dst_pitch, dst_pixel;
	struct vgg_hw_window win;	/* kernel 1..64, stride 1..64 */
	__s8 pad_value;		/* POOL_AVG without EXCLUDE_PAD; else 0 */
	__s8 lo, hi;		/* POOL_AVG; else 0 */
	__u8 reserved0[5];
	__le64 reserved[7];
};

#define VGG_POOL_AVG		(1u << 0) /* average; without it: maximum */
#define VGG_POOL_EXCLUDE_PAD	(1u << 1) /* only with POOL_AVG */
#define VGG_POOL_FLAGS		0x3u

/* TIMESTAMP: writes CYCLES, 64 bits, when everything before it is done. */
struct vgg_hw_cmd_timestamp {
	struct vgg_hw_cmd_head head;
	__le64 dst;		/* 8-byte aligned */
	__le64 reserved[14];
};

/* Limits. */
#define VGG_DIM_MAX		16384u	  /* height or width of an image */
#define VGG_CHANNELS_MAX	(1u << 20)
#define VGG_TAPS_MAX		(1u << 20) /* kernel_h * kernel_w * in_c */
#define VGG_PITCH_MAX		(1u << 30)
#define VGG_EXTENT_MAX		(1u << 30) /* FILL, COPY: width, height */
#define VGG_CONV_KERNEL_MAX	11u
#define VGG_CONV_STRIDE_MAX	4u
#define VGG_FUSED_KERNEL_MAX	8u
#define VGG_POOL_KERNEL_MAX	64u
#define VGG_SHIFT_MIN		1u
#define VGG_SHIFT_MAX		62u
#define VGG_PARAM_ALIGN		16u

#ifdef __cplusplus
#define VGG_HW_ASSERT static_assert
#else
#define VGG_HW_ASSERT _Static_assert
#endif
#define VGG_HW_SIZE(type, size) \
	VGG_HW_ASSERT(sizeof(struct type) == (size), #type " has a wrong size")
VGG_HW_SIZE(vgg_hw_sqe, 64);
VGG_HW_SIZE(vgg_hw_cqe, 32);
VGG_HW_SIZE(vgg_hw_qparam, 16);
VGG_HW_SIZE(vgg_hw_window, 8);
VGG_HW_SIZE(vgg_hw_cmd_head, 8);
VGG_HW_SIZE(vgg_hw_cmd_plain, VGG_CMD_SIZE);
VGG_HW_SIZE(vgg_hw_cmd_fill, VGG_CMD_SIZE);
VGG_HW_SIZE(vgg_hw_cmd_copy, VGG_CMD_SIZE);
VGG_HW_SIZE(vgg_hw_cmd_conv, VGG_CMD_SIZE);
VGG_HW_SIZE(vgg_hw_cmd_pool, VGG_CMD_SIZE);
VGG_HW_SIZE(vgg_hw_cmd_timestamp, VGG_CMD_SIZE);
#undef VGG_HW_SIZE
#undef VGG_HW_ASSERT

#endif
