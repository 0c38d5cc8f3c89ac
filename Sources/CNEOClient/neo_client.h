#ifndef NEO_CLIENT_H
#define NEO_CLIENT_H

#include <stddef.h>
#include <stdint.h>

/*
 * The client of NEO for programs that are not written in Swift: what libNEOClientC exports.
 *
 * This text is read by a C compiler, by Swift, and by Python's cffi (which skips the lines that begin with '#'):
 * plain declarations only.
 *
 * THREADS. Every function may be called by any thread at any time, except that the calls about one transaction are made
 * by one thread at a time. A function marked [blocks] may wait for the network, for the cluster, or for another thread;
 * all others return within microseconds. Whoever holds a lock that a callback needs (Python's global lock!) must release
 * it around *every* call: even those that do not block take a lock of the client for a moment.
 *
 * ERRORS. A function that can fail returns NULL when it succeeded, else an error that the caller releases with
 * neo_error_release. Output arguments are written only on success.
 *
 * OWNERSHIP. Bytes passed in are copied (or compressed) before the call returns. Bytes given back belong to the structure
 * that holds them, until that structure is released. Strings are UTF-8 and end with NUL; data and metadata are counted.
 *
 * IDENTIFIERS. oid, tid and serial are 8 bytes, big-endian, without alignment.
 *
 * FORK. In a child process, only neo_client_abandon and neo_client_close may be called on a client opened by its parent;
 * other functions fail with NEO_FORKED.
 */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct neo_client neo_client;
typedef struct neo_transaction neo_transaction;

enum {
    NEO_OBJECT_NOT_FOUND = 1,       /* no such object, or its record is a deletion */
    NEO_REVISION_NOT_FOUND = 2,     /* the object exists, but has no revision that satisfies the request */
    NEO_TRANSACTION_NOT_FOUND = 3,
    NEO_WRONG_CHECKSUM = 4,         /* all replicas have a damaged record: oid, serial */
    NEO_PRIMARY_MASTER_LOST = 5,    /* while reading: the whole transaction can be tried again */
    NEO_UNAVAILABLE = 6,            /* nothing was committed: the whole transaction can be tried again */
    NEO_CONFLICT = 7,               /* not resolvable: oid, serial = current, base, data */
    NEO_READ_CONFLICT = 8,          /* an object that was only read changed: oid, serial = current, base = read */
    NEO_READ_ONLY = 9,
    NEO_TRANSACTION_STATE = 10,     /* the transaction is not in the right state for this call */
    NEO_UNDO_PACK = 11,             /* a record needed by an undo was packed meanwhile */
    NEO_NOT_IMPLEMENTED = 12,
    NEO_REFUSED = 13,               /* a node refused the request, for a reason given by the message */
    NEO_INVALID_ARGUMENT = 14,      /* nothing was sent */
    NEO_OUTCOME_UNKNOWN = 15,       /* the transaction may be committed or not */
    NEO_CLOSED = 16,
    NEO_FORKED = 17,
    NEO_INTERRUPTED = 18,           /* the callback `interrupted` asked to stop waiting */
    NEO_INTERNAL_ERROR = 19,
    NEO_NOT_UNDOABLE = 20            /* objects were changed later in a way that can not be merged, or packed */
};

typedef struct {
    int32_t code;
    const char *message;            /* what was expected, what came, from whom */
    int32_t has_oid;
    int32_t has_serial;
    int32_t has_base;
    uint8_t oid[8];
    uint8_t serial[8];
    uint8_t base[8];
    const uint8_t *data;            /* of a conflict; NULL for none */
    int64_t length;
} neo_error;

void neo_error_release(neo_error *error);

/* ---- What the client tells the program -------------------------------------------------------------------------- */

enum {
    NEO_DELIVERY_INVALIDATE = 1,        /* another client committed `tid`, which changed `oids` */
    NEO_DELIVERY_INVALIDATE_ALL = 2,    /* transactions up to `tid` may have been missed: trust nothing that was kept */
    NEO_DELIVERY_FINISHED = 3           /* `transaction` of this client is committed as `tid` */
};

typedef struct {
    int32_t kind;
    uint8_t tid[8];
    const uint8_t *oids;                /* oid_count times 8 bytes */
    int64_t oid_count;
    neo_transaction *transaction;
} neo_delivery;

typedef struct {
    void *context;                      /* passed to each callback */
    /*
     * Deliveries come one at a time, in the order of tids, from whatever thread reads the network: one that waits in a
     * [blocks] function, or a thread of the client. No lock of the client is held meanwhile. neo_last_transaction shows
     * `tid` only after the delivery about it returned, and before the next one begins; a load that could see what `tid`
     * changed waits until then. The callback must not call functions of this client, except neo_client_is_connected
     * and neo_last_transaction.
     * Exactly one NEO_DELIVERY_FINISHED comes for each neo_transaction_finish that succeeds, before it returns; none
     * for one that fails.
     */
    void (*deliver)(void *context, const neo_delivery *delivery);
    /*
     * Called about every 100 ms by each thread that waits in a [blocks] function, without any lock held. Not 0: the
     * function returns NEO_INTERRUPTED at once; what it asked is forgotten, and the client stays usable. Never called
     * while neo_transaction_finish waits for the outcome. May be NULL.
     */
    int32_t (*interrupted)(void *context);
    /* Levels are those of Python: 10 debug, 20 information, 30 warning, 40 error. Any thread. May be NULL. */
    void (*log)(void *context, int32_t level, const char *message);
} neo_callbacks;

/* ---- Opening and closing ---------------------------------------------------------------------------------------- */

/*
 * Makes a client of the cluster. Resolves the names of the masters, and connects to nothing: the first call that needs
 * the cluster waits for it.
 *
 * Options, as text (option_names[i] has the value option_values[i]):
 *   master_nodes           addresses of masters separated by white space: required
 *   name                   name of the cluster: required
 *   compress               "1" (default): zlib at its default level; "0": never; "zlib=N": at level N
 *   cache_size             bytes of the record cache; 0 for none; default 20971520
 *   read_only              "1" or "0" (default)
 *   ignore_wrong_checksum  "1" or "0" (default)
 *   cache_file             path of a file that keeps the record cache until the program starts again. It is read here and
 *                          written by neo_client_close and now and then; programs can share it. What the cluster does not
 *                          confirm is not used. Not together with ignore_wrong_checksum
 *   dynamic_master_list    path of the file that keeps the known masters. It is read here, and written at the first call and
 *                          when masters are learnt of; programs can share it. master_nodes can be empty if it has some
 *   ca, cert, key          paths of PEM files: all three or none
 *   wait_timeout           seconds (a decimal fraction is accepted) that a call waits for a master; default: for ever
 * An unknown option, or a value that is not acceptable: NEO_INVALID_ARGUMENT.
 */
neo_error *neo_client_open(
    const char *const *option_names, const char *const *option_values, size_t option_count,
    const neo_callbacks *callbacks, neo_client **client);

/*
 * [blocks, briefly] Closes the connections; calls in progress in other threads fail with NEO_CLOSED, and so does every
 * later one. After it returned no callback is running and none will be made. Idempotent; not to be called by a callback.
 * The handle stays valid until neo_client_release. Open transactions are aborted; release them as usual.
 */
void neo_client_close(neo_client *client);

/* Frees a closed client. No other call about it may be in progress or follow. */
void neo_client_release(neo_client *client);

/*
 * In a child process after fork: closes the descriptors inherited from the parent without sending anything. Takes no
 * lock; memory of the client is not freed. The handle is not valid any more, nor those of its transactions.
 */
void neo_client_abandon(neo_client *client);

/* 1 if a primary master accepted this client and its connection lives, else 0. */
int32_t neo_client_is_connected(neo_client *client);

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *data;            /* as the program stored it; not NULL even when length is 0 */
    int64_t length;
    uint8_t serial[8];
    int32_t has_next;
    uint8_t next[8];                /* if has_next: the following revision. Else this one is current, as far as known */
    void *owner;                    /* what neo_record_release releases */
} neo_record;

/*
 * [blocks, not if the record is cached] The revision current at neo_last_transaction; the greatest one smaller than
 * `before`; exactly `serial`. NEO_OBJECT_NOT_FOUND, NEO_REVISION_NOT_FOUND, NEO_WRONG_CHECKSUM,
 * NEO_PRIMARY_MASTER_LOST, NEO_UNAVAILABLE…
 */
neo_error *neo_load(neo_client *client, const uint8_t *oid, neo_record *record);
neo_error *neo_load_before(neo_client *client, const uint8_t *oid, const uint8_t *before, neo_record *record);
neo_error *neo_load_serial(neo_client *client, const uint8_t *oid, const uint8_t *serial, neo_record *record);

void neo_record_release(neo_record *record);

/* Begins to fetch what neo_load_before of each oid would need; waits for nothing. oids: count times 8 bytes. */
neo_error *neo_prefetch(neo_client *client, const uint8_t *oids, size_t count, const uint8_t *before);

/*
 * The last transaction whose delivery is complete. [blocks] for the first connection and while a NEO_DELIVERY_INVALIDATE_ALL
 * is told, unless it is called by its callback; otherwise an atomic read.
 */
neo_error *neo_last_transaction(neo_client *client, uint8_t *tid);

/* [blocks] When it returns, neo_last_transaction covers every transaction that was finished before the call. */
neo_error *neo_sync(neo_client *client);

/* [blocks, once in a hundred calls] An oid that was never given. */
neo_error *neo_new_oid(neo_client *client, uint8_t *oid);

/* [blocks] The greatest oid that the cluster gave or has; zero if there is none. */
neo_error *neo_last_oid(neo_client *client, uint8_t *oid);

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t oid[8];
    uint8_t serial[8];              /* the current revision, committed by another transaction */
    uint8_t base[8];                /* the revision that this transaction started from */
    const uint8_t *data;            /* what this transaction stored; NULL for a deletion */
    int64_t length;
} neo_conflict;

typedef struct {
    const neo_conflict *conflicts;
    int64_t count;
    void *owner;                    /* what neo_conflicts_release releases */
} neo_conflicts;

void neo_conflicts_release(neo_conflicts *conflicts);

/*
 * [blocks] Begins a transaction. `tid` is NULL, or the tid it must get (import). The metadata are stored verbatim.
 * The handle is valid until neo_transaction_release, whatever happens to the transaction.
 */
neo_error *neo_transaction_begin(
    neo_client *client, const uint8_t *tid,
    const uint8_t *user, int64_t user_length,
    const uint8_t *description, int64_t description_length,
    const uint8_t *extension, int64_t extension_length,
    neo_transaction **transaction);

/*
 * [blocks only while too many bytes are in flight] Stores `data` over the revision `serial` (zeros: a new object), or
 * deletes the object when `data` is NULL. Storages answer later: `conflicts` gives the conflicts known so far, of this or
 * of earlier stores of the transaction, each once. The caller resolves each of them, in the order given, by
 * neo_transaction_resolve, or aborts. Conflicts that nothing can resolve (deletions, new objects) are errors
 * (NEO_CONFLICT), as is a checked object that changed (NEO_READ_CONFLICT).
 */
neo_error *neo_transaction_store(
    neo_transaction *transaction, const uint8_t *oid, const uint8_t *serial,
    const uint8_t *data, int64_t length, neo_conflicts *conflicts);

/*
 * [blocks like neo_transaction_store] Stores a record that was committed elsewhere, on top of whatever is current here, in
 * a transaction that began with the tid that it had there. `data` is NULL for a deletion. `serial` is a guess at the
 * current revision (zeros if there is none): a right one saves a round trip. `data_tid` is NULL, or an earlier revision of
 * the object with the same data: it has to exist here (NEO_UNDO_PACK).
 */
neo_error *neo_transaction_restore(
    neo_transaction *transaction, const uint8_t *oid, const uint8_t *serial,
    const uint8_t *data, int64_t length, const uint8_t *data_tid, neo_conflicts *conflicts);

/*
 * [blocks while more than a few megabytes are in flight] Stores a record that is a part of something big. It is not kept:
 * neither cached, nor ever given back in a conflict, which is an error (NEO_CONFLICT). If `is_restored` is not 0, `serial`
 * is only a guess, as for neo_transaction_restore.
 */
neo_error *neo_transaction_store_unkept(
    neo_transaction *transaction, const uint8_t *oid, const uint8_t *serial,
    const uint8_t *data, int64_t length, int32_t is_restored, neo_conflicts *conflicts);

/*
 * [blocks like neo_transaction_store] Stores what merges a conflict: `serial` is that of the conflict. It may report new
 * conflicts, about the same object too. When the caller needs to read the revisions to merge, neo_load_serial of
 * conflict.serial succeeds without further ado: its invalidation was delivered before the conflict is reported.
 */
neo_error *neo_transaction_resolve(
    neo_transaction *transaction, const uint8_t *oid, const uint8_t *serial,
    const uint8_t *data, int64_t length, neo_conflicts *conflicts);

/* [blocks like neo_transaction_store] Makes the commit depend on `serial` being current. */
neo_error *neo_transaction_check_current_serial(
    neo_transaction *transaction, const uint8_t *oid, const uint8_t *serial, neo_conflicts *conflicts);

/*
 * Has the transaction, which has not voted, carry a pack order: storages will delete the revisions that are not the last
 * one up to `tid` of an object (that one too if it is a deletion). `tid`: at most neo_last_transaction. `oids`: oid_count
 * times 8 bytes, at least one; NULL: all the objects.
 */
neo_error *neo_transaction_set_pack_order(
    neo_transaction *transaction, const uint8_t *tid, const uint8_t *oids, size_t oid_count);

/*
 * [blocks, maybe for hours] Waits until all the storages have executed the pack order of the transaction `order`,
 * whatever happens to the master meanwhile. At once if there is no such order, or no more. `tid` is up to where it packs:
 * what it removed is forgotten by the cache; NULL: the cache stays as it is, and may still serve it.
 */
neo_error *neo_wait_for_pack(neo_client *client, const uint8_t *order, const uint8_t *tid);

/*
 * [blocks] Waits for the answers to all stores, then makes the transaction durable on the storages. If conflicts.count is
 * not 0, it has not voted: resolve them, and call it again. After it succeeded with no conflict, neo_transaction_finish
 * fails only if the cluster does.
 */
neo_error *neo_transaction_vote(neo_transaction *transaction, neo_conflicts *conflicts);

/*
 * [blocks] Commits a transaction that voted, and gives its tid. If the master is lost meanwhile, finds out what became of
 * the transaction: waits for the cluster as long as the option wait_timeout allows (NEO_OUTCOME_UNKNOWN then).
 */
neo_error *neo_transaction_finish(neo_transaction *transaction, uint8_t *tid);

/* Gives up a transaction at any point before finish. Without effect on one that ended. */
void neo_transaction_abort(neo_transaction *transaction);

/* Frees the handle; aborts the transaction if it did not end. Valid after neo_client_close. NULL is accepted. */
void neo_transaction_release(neo_transaction *transaction);

/* ---- Undoing ---------------------------------------------------------------------------------------------------- */

/*
 * [blocks] Waits until all stores of the transaction are answered. If conflicts.count is not 0: resolve them, and call it
 * again.
 */
neo_error *neo_transaction_drain(neo_transaction *transaction, neo_conflicts *conflicts);

typedef struct {
    uint8_t oid[8];
    uint8_t current[8];             /* the revision that the transaction sees, maybe its own: the base of what is to be stored */
    uint8_t undone[8];              /* the revision before the undone transaction */
} neo_overtaken;

typedef struct {
    const uint8_t *oids;            /* all the objects that the undo changes: oid_count times 8 bytes */
    int64_t oid_count;
    const neo_overtaken *overtaken; /* objects that were changed again later: to be merged, and given to neo_transaction_store */
    int64_t overtaken_count;
    neo_conflicts conflicts;        /* released apart, by neo_conflicts_release */
    void *owner;                    /* what neo_undo_release releases */
} neo_undo;

void neo_undo_release(neo_undo *undo);

/*
 * [blocks] Takes back what the committed transaction `tid` did, as a part of `transaction`, all of whose stores must be
 * answered (neo_transaction_drain). Several undos can be done in one transaction. NEO_TRANSACTION_NOT_FOUND,
 * NEO_NOT_UNDOABLE, NEO_UNDO_PACK; after an error the transaction can only be aborted.
 */
neo_error *neo_transaction_undo(neo_transaction *transaction, const uint8_t *tid, neo_undo *undo);

typedef struct {
    const uint8_t *committed;       /* the record of the current revision */
    int64_t committed_length;
    const uint8_t *undone;          /* the record before the undone transaction */
    int64_t undone_length;
    void *owner;                    /* what neo_merge_release releases */
} neo_merge;

void neo_merge_release(neo_merge *merge);

/* [blocks] What has to be merged of an overtaken object. NEO_NOT_UNDOABLE if it was deleted since. */
neo_error *neo_overtaken_load(neo_transaction *transaction, const neo_overtaken *overtaken, neo_merge *merge);

/* ---- What was committed ----------------------------------------------------------------------------------------- */

/*
 * All these functions block; they ask storages and leave the record cache alone. Those about long lists give the first
 * part of them, about as much as asked, and never an empty part before the end.
 */

typedef struct {
    const uint8_t *bytes;           /* count times 8 bytes */
    int64_t count;
    int32_t has_next;
    uint8_t next[8];                /* if has_next: from where to go on */
    void *owner;                    /* what neo_identifiers_release releases */
} neo_identifiers;

void neo_identifiers_release(neo_identifiers *identifiers);

/* tids from `start` to `stop`, both included, ascending. None: there are no more. */
neo_error *neo_tids_from(
    neo_client *client, const uint8_t *start, const uint8_t *stop, int64_t count, neo_identifiers *tids);

/* The newest tids, in descending order: at least `count`, and has_next is not 0, unless they are all there are. */
neo_error *neo_tids_newest(neo_client *client, int64_t count, neo_identifiers *tids);

/* oids of the objects that exist at `tid`, from `start` on, ascending. */
neo_error *neo_oids_from(
    neo_client *client, const uint8_t *tid, const uint8_t *start, int64_t count, neo_identifiers *oids);

typedef struct {
    uint8_t tid[8];
    const uint8_t *user;
    int64_t user_length;
    const uint8_t *description;
    int64_t description_length;
    const uint8_t *extension;
    int64_t extension_length;
    int32_t is_packed;
    const uint8_t *oids;            /* what it wrote, deleted, or only checked: oid_count times 8 bytes */
    int64_t oid_count;
} neo_transaction_information;

typedef struct {
    const neo_transaction_information *transactions;
    int64_t count;
    void *owner;                    /* what neo_transactions_release releases */
} neo_transactions;

void neo_transactions_release(neo_transactions *transactions);

/*
 * The metadata of the transactions `tids` (count times 8 bytes): of the first ones, about maximum_bytes of them, at least
 * of one. NEO_TRANSACTION_NOT_FOUND if one of these does not exist.
 */
neo_error *neo_transactions_load(
    neo_client *client, const uint8_t *tids, int64_t count, int64_t maximum_bytes, neo_transactions *transactions);

typedef struct {
    uint8_t tid[8];
    int64_t size;                   /* of the record as it is stored; 0 for a deletion */
} neo_history_entry;

typedef struct {
    const neo_history_entry *entries;
    int64_t count;
    void *owner;                    /* what neo_history_release releases */
} neo_history;

void neo_history_release(neo_history *history);

/* The revisions of an object, the newest first, at most `count`. NEO_OBJECT_NOT_FOUND, NEO_REVISION_NOT_FOUND. */
neo_error *neo_history_load(neo_client *client, const uint8_t *oid, int64_t count, neo_history *history);

enum {
    NEO_REVISION_RECORD = 0,
    NEO_REVISION_DELETION = 1,      /* the object was deleted, or its creation undone: no data */
    NEO_REVISION_MISSING = 2        /* packed, or the transaction only checked the object */
};

typedef struct {
    int32_t kind;
    const uint8_t *data;
    int64_t length;
    int32_t has_data_tid;
    uint8_t data_tid[8];            /* if has_data_tid: the earlier revision with the same data (an undo) */
} neo_revision;

typedef struct {
    const neo_revision *revisions;
    int64_t count;
    void *owner;                    /* what neo_revisions_release releases */
} neo_revisions;

void neo_revisions_release(neo_revisions *revisions);

/*
 * Exact revisions: oids and tids are count times 8 bytes each. It gives the first ones, about maximum_bytes of records,
 * at least one.
 */
neo_error *neo_revisions_load(
    neo_client *client, const uint8_t *oids, const uint8_t *tids, int64_t count, int64_t maximum_bytes,
    neo_revisions *revisions);

/* ---- Looking inside --------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t maximum_bytes;
    int64_t bytes;
    int64_t record_count;
    int64_t hit_count;
    int64_t miss_count;
} neo_cache_statistics;

neo_error *neo_cache_get_statistics(neo_client *client, neo_cache_statistics *statistics);
neo_error *neo_cache_clear(neo_client *client);
/* [blocks, for the disk] Writes the cache file now, if there is one. A failure is logged. */
void neo_cache_save(neo_client *client);

enum {
    NEO_NODE_MASTER = 0,
    NEO_NODE_STORAGE = 1
};

/*
 * The known nodes of a type, one a line: "<host> <port> <nid or -> <state or ->". Release the text with
 * neo_text_release.
 */
neo_error *neo_nodes(neo_client *client, int32_t node_type, char **text);

void neo_text_release(char *text);

#ifdef __cplusplus
}
#endif

#endif
