/*
 * settings.h
 *		The settings of auth.
 */
#ifndef SPARK_AUTH_SETTINGS_H
#define SPARK_AUTH_SETTINGS_H

#include "auth/ports.h"

extern AuthSettings auth_settings;
extern char *jwt_secret_file;	/* path; '' where none is named */
extern char *presented_token;	/* of this session; '' for none */
extern int	password_concurrency;	/* 0: half the processors */

/* The most that password_concurrency may be. */
#define MAX_CONCURRENT_HASHES 256

#endif
