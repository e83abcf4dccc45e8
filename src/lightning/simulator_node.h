/*
 * simulator_node.h
 *		The simulated node behind the port: the default of spark, network regtest.
 *
 * Used by the worker "spark lightning" alone.
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_NODE_H
#define SPARK_LIGHTNING_SIMULATOR_NODE_H

#include "lightning/lightning_node.h"

/* spark.simulator_mode: which kind of node it passes for. */
extern void simulator_define_settings(void);

/* The one of this process; the same at each call. */
extern LightningNode *simulator_node(void);

#endif
