/*
 * simulator_kind.h
 *		Which kind of node the simulated one passes for: what that kind refuses,
 *		what it pays again, and how much it says in the reply to a pay call.
 *
 * What its words are then worth stands in node_kinds.c, as for the real ones.
 * Pure C: no server, no library.
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_KIND_H
#define SPARK_LIGHTNING_SIMULATOR_KIND_H

#include "lightning/node_kinds.h"
#include "lightning/simulator.h"

/* Why it does not even try, before anything else is looked at; NONE: it does. */
extern NodeFailure simulator_kind_refusal(NodeKind kind, const SimulatorOrder *order);

/* The highest fee that it is really told. */
extern Amount simulator_kind_fee_cap(NodeKind kind, Amount max_fee);

/* Whether it pays a hash anew that is under way or paid. */
extern bool simulator_kind_pays_again(NodeKind kind);

/* Whether creating with the same key again gives the same invoice. */
extern bool simulator_kind_has_create_key(NodeKind kind);

/* Whether the reply to a pay call only says that it has it, however it has ended. */
extern bool simulator_kind_only_acknowledges(NodeKind kind);

/* Whether that reply is its last word where it has failed for that reason. */
extern bool simulator_kind_rejects(NodeKind kind, NodeFailure failure);

/* Whether it breaks its word where it calls failed what is made a moment later. */
extern bool simulator_kind_rejects_too_early(NodeKind kind);

#endif
