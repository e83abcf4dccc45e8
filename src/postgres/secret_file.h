/*
 * secret_file.h
 *		Reads a file with a secret that the server alone may read.
 */
#ifndef SPARK_POSTGRES_SECRET_FILE_H
#define SPARK_POSTGRES_SECRET_FILE_H

#include "postgres/server.h"

typedef enum SecretFileFault
{
	SECRET_FILE_FINE,
	SECRET_FILE_NOT_OPENED,
	SECRET_FILE_NOT_REGULAR,
	SECRET_FILE_EXPOSED,		/* group or others have some access */
	SECRET_FILE_NOT_READ
} SecretFileFault;

/*
 * Fills the buffer as far as the file goes; *length is how far that was.  Never
 * raises and never logs: whoever asks knows the remedy.  The caller wipes the
 * buffer.
 */
extern SecretFileFault secret_file_read(const char *path, uint8 *buffer, size_t size, size_t *length);

#endif
