/*
 * handlers.h
 *		The dashboard follows what other contexts tell.
 *
 * It asks for nothing, refuses nothing and tells nobody.
 */
#ifndef SPARK_DASHBOARD_HANDLERS_H
#define SPARK_DASHBOARD_HANDLERS_H

#include "dashboard/ports.h"

#include "common/bus.h"

/* What it listens to; the context of a consumer is a Dashboard. */
extern const Subscription dashboard_subscriptions[10];

#define DASHBOARD_CONSUMER(dashboard_) CONSUMER("dashboard", (dashboard_), dashboard_subscriptions)

#endif
