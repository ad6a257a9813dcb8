/* SPDX-License-Identifier: MIT */
/*
 * The registers of the model `tlpgun`, for its drivers, which need nothing but this header. All of
 * it is little-endian. docs/models/tlpgun.md says what it does.
 */
#ifndef IOAS_TLPGUN_REGS_H
#define IOAS_TLPGUN_REGS_H

#include <stdint.h>

#define IOAS_TLPGUN_VENDOR 0x1234
#define IOAS_TLPGUN_DEVICE 0x5447 /* "TG" */
#define IOAS_TLPGUN_CLASS  0xff0000

/* 64-bit BARs. */
#define IOAS_TLPGUN_BAR_REGS	0 /* and the MSI-X table */
#define IOAS_TLPGUN_BAR_BUFFER	2 /* the data of TLPs */
#define IOAS_TLPGUN_BAR_PORTALS 4 /* with a shared queue only: a page each */
#define IOAS_TLPGUN_PORTAL_LEN	4096
#define IOAS_TLPGUN_VECTORS	8

/*
 * BAR 0: registers of 4 bytes (_LEN 4) or 8, as the comment says; either width may be used on them.
 * ro: read-only. What a burst does is taken from the registers when the doorbell is rung.
 */
enum ioas_tlpgun_reg {
	IOAS_TLPGUN_ID = 0x00,	       /* 4 ro: IOAS_TLPGUN_MAGIC */
	IOAS_TLPGUN_CAPS = 0x04,       /* 4 ro: 7:0 PASID width, 15:8 portals, 31:16 queue depth */
	IOAS_TLPGUN_BUF_LEN = 0x08,    /* 8 ro: bytes of buffer */
	IOAS_TLPGUN_ADDR = 0x10,       /* 8: address of the first TLP */
	IOAS_TLPGUN_LEN = 0x18,	       /* 8: bytes a TLP */
	IOAS_TLPGUN_CTRL = 0x20,       /* 4: enum ioas_tlpgun_ctrl */
	IOAS_TLPGUN_PASID = 0x24,      /* 4: 20 bits */
	IOAS_TLPGUN_RID = 0x28,	       /* 4: the requester ID to claim, 16 bits */
	IOAS_TLPGUN_VECTOR = 0x2c,     /* 4: for IOAS_TLPGUN_IRQ */
	IOAS_TLPGUN_COUNT = 0x30,      /* 8: TLPs of a burst, 0 as 1 */
	IOAS_TLPGUN_STRIDE = 0x38,     /* 8: from one's address to the next one's; wraps */
	IOAS_TLPGUN_BUF = 0x40,	       /* 8: where in the buffer the first one's data is */
	IOAS_TLPGUN_BUF_STRIDE = 0x48, /* 8: from one's data to the next one's */
	IOAS_TLPGUN_DOORBELL = 0x50,   /* 4 wo: enum ioas_tlpgun_doorbell */
	IOAS_TLPGUN_STATUS = 0x54,     /* 4 ro: enum ioas_tlpgun_bits */
	IOAS_TLPGUN_PASSED = 0x58,     /* 8 ro: TLPs of the burst that passed */
	IOAS_TLPGUN_FAULTED = 0x60,    /* 8 ro: TLPs of it that were refused */
	IOAS_TLPGUN_RECORD = 0x68,     /* 8 ro: number of the first one's fault record, or 0 */
	IOAS_TLPGUN_ITEMS = 0x70,      /* 8 ro: work items that have ended */
	IOAS_TLPGUN_QUEUE = 0x78,      /* 4: IOAS_TLPGUN_HOLD */
	IOAS_TLPGUN_QUEUED = 0x7c,     /* 4 ro: work items that have not ended */
	IOAS_TLPGUN_ATS_CAPS = 0x80,   /* 4 ro: enum ioas_tlpgun_ats_caps */
	IOAS_TLPGUN_ATS_CTRL = 0x84,   /* 4: enum ioas_tlpgun_ats_ctrl */
	IOAS_TLPGUN_HELD = 0x88,       /* 8 ro: translations in its cache */
	IOAS_TLPGUN_REQUESTED = 0x90,  /* 8 ro: pages it has requested */
	IOAS_TLPGUN_REFUSED = 0x98,    /* 8 ro: groups of them answered otherwise than by success */
	IOAS_TLPGUN_REGS_LEN = 0xa0,
};

#define IOAS_TLPGUN_MAGIC 0x47504c54u /* "TLPG" */

/* Bits 0 to 5 are the TLP's, 9:8 its address type (enum ioas_tlp_at). */
enum ioas_tlpgun_ctrl {
	IOAS_TLPGUN_WRITE = 1 << 0, /* else a read, which fills the buffer */
	IOAS_TLPGUN_WITH_PASID = 1 << 1,
	IOAS_TLPGUN_PRIV = 1 << 2,
	IOAS_TLPGUN_EXEC = 1 << 3,
	IOAS_TLPGUN_NO_SNOOP = 1 << 4,
	IOAS_TLPGUN_WITH_RID = 1 << 5, /* claims the requester ID in RID */
	IOAS_TLPGUN_AT_SHIFT = 8,
	IOAS_TLPGUN_IRQ = 1 << 16,	     /* sends VECTOR at the end */
	IOAS_TLPGUN_STOP_AT_FAULT = 1 << 17, /* the first TLP that is refused is the last */
	/* As translated requests, through its cache; and request the pages that are missing. */
	IOAS_TLPGUN_BY_ATS = 1 << 18,
	IOAS_TLPGUN_PAGES = 1 << 19,
};

enum ioas_tlpgun_ats_caps {
	IOAS_TLPGUN_HAS_ATS = 1 << 0,
	IOAS_TLPGUN_HAS_PAGES = 1 << 1,
	IOAS_TLPGUN_ROOM_SHIFT = 16, /* 31:16 page requests that may be outstanding */
};

/* To break the promise that ATS rests on, on purpose. */
enum ioas_tlpgun_ats_ctrl {
	IOAS_TLPGUN_KEEP = 1 << 0,   /* says that translations are given back, and keeps them */
	IOAS_TLPGUN_SILENT = 1 << 1, /* does not answer invalidations */
};

enum ioas_tlpgun_doorbell {
	IOAS_TLPGUN_SHOOT = 1, /* one burst */
	IOAS_TLPGUN_FIRE = 2,  /* the burst again and again */
	IOAS_TLPGUN_STOP = 3,  /* ends it after the TLP under way: wait for not BUSY */
};

/* A doorbell other than STOP is ignored while BUSY. */
enum ioas_tlpgun_bits {
	IOAS_TLPGUN_BUSY = 1 << 0,
	IOAS_TLPGUN_ENDED = 1 << 1, /* the last burst has ended */
	/* It was not sent: no length, data outside the buffer, or by ATS, which it has not. */
	IOAS_TLPGUN_INVALID = 1 << 2,
	/* A TLP was given up: no translation, or the page was refused. */
	IOAS_TLPGUN_UNTRANSLATABLE = 1 << 3,
	IOAS_TLPGUN_REASON_SHIFT = 8, /* 15:8 why its first TLP on record is there */
};

enum ioas_tlpgun_queue {
	IOAS_TLPGUN_HOLD = 1 << 0, /* work items wait */
};

/*
 * A portal's page: 64 bytes written anywhere in it, aligned, by stores of 4 or 8 bytes in rising
 * order, are a work item; the store of the last bytes submits it. Reads, at these offsets:
 */
enum ioas_tlpgun_portal {
	IOAS_TLPGUN_PORTAL_RESULT = 0x00,   /* 4: enum ioas_tlpgun_result of the last submission */
	IOAS_TLPGUN_PORTAL_ACCEPTED = 0x08, /* 8: how many so far */
	IOAS_TLPGUN_PORTAL_RETRIED = 0x10,  /* 8 */
};

enum ioas_tlpgun_result {
	IOAS_TLPGUN_NOTHING,
	IOAS_TLPGUN_ACCEPTED,
	IOAS_TLPGUN_RETRY, /* the queue was full: submit it again */
};

enum ioas_tlpgun_op {
	IOAS_TLPGUN_NOP,
	IOAS_TLPGUN_FILL, /* writes the pattern `src` to addr .. addr + len - 1 */
	IOAS_TLPGUN_COPY, /* from `src` to `addr` */
	IOAS_TLPGUN_READ, /* reads addr .. addr + len - 1; the record has its first 8 bytes */
};

/* Bytes a work item may move. */
#define IOAS_TLPGUN_ITEM_MAX   (16u << 20)
#define IOAS_TLPGUN_PASID_PRIV (1u << 31)

/* A work item, as ENQCMD sends it. All of its TLPs carry its PASID. */
struct ioas_tlpgun_item {
	uint32_t pasid; /* 19:0, and IOAS_TLPGUN_PASID_PRIV: privileged */
	uint8_t op;	/* enum ioas_tlpgun_op */
	uint8_t irq;	/* 1: sends `vector` when it has ended */
	uint16_t vector;
	uint64_t record; /* IOVA of its completion record, a multiple of 32; 0: none */
	uint64_t addr;
	uint64_t src;
	uint64_t len;
	uint64_t zero[3];
};

enum ioas_tlpgun_item_status {
	IOAS_TLPGUN_ITEM_DONE = 1,
	IOAS_TLPGUN_ITEM_FAULT = 2,
	IOAS_TLPGUN_ITEM_INVALID = 3, /* unknown op, or too long */
};

/* Written by TLPs with the item's PASID; `status`, with all of its word, last. */
struct ioas_tlpgun_record {
	uint8_t status; /* enum ioas_tlpgun_item_status */
	uint8_t reason; /* enum ioas_fault_reason */
	uint8_t zero[6];
	uint64_t addr;	/* of the TLP that was refused */
	uint64_t done;	/* bytes moved by the TLPs before */
	uint64_t value; /* of IOAS_TLPGUN_READ */
};

#endif
