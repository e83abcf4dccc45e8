/*
 * decoder.h
 *		Reading payment requests, and SHA-256, by the code of lightning/.
 */
#ifndef SPARK_BITCOIN_DECODER_H
#define SPARK_BITCOIN_DECODER_H

#include "bitcoin/ports.h"

extern const InvoiceDecoder bolt11_decoder;
extern const Digest bolt11_digest;

#endif
