/*
 * simulator_condition.h
 *		How the whole simulated node is: down, locked, another one, ..
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_CONDITION_H
#define SPARK_LIGHTNING_SIMULATOR_CONDITION_H

#include "postgres/server.h"

#include "lightning/simulator_script.h"

/*
 * True where the node in that condition does not come to act: the call is
 * answered.  begins: it is asked for the first time, and not waiting.
 */
extern bool simulator_condition_answers(const SimulatorScript *condition, NodeCall *call, bool begins);

/* What the condition changes of an answer that was given. */
extern void simulator_condition_colours(const SimulatorScript *condition, NodeCall *call);

#endif
