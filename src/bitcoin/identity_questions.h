/*
 * identity_questions.h
 *		Which answers of a node are known to be of the node of the books.
 *
 * The node is asked again and again who it is.  An answer counts for what it says
 * once a question that was begun after it was there has been answered by the node
 * of the books.  What came after what is told by the number of the question, and
 * by no clock: one that is set back would have it asked until it is there again.
 *
 * Pure.
 */
#ifndef SPARK_BITCOIN_IDENTITY_QUESTIONS_H
#define SPARK_BITCOIN_IDENTITY_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct IdentityQuestions
{
	int64_t		begun;			/* how many; the last one's number */
	int64_t		recognised;		/* number of the last that the node of the books has answered; 0: none */
} IdentityQuestions;

/* One is begun. */
extern void identity_question_begin(IdentityQuestions *self);

/* The last one that was begun has been answered by the node of the books. */
extern void identity_question_recognise(IdentityQuestions *self);

/* Of an answer that is there now: the number of the first question that tells who gave it. */
extern int64_t identity_question_after(const IdentityQuestions *self);

/* True where that one, or a later one, was answered by the node of the books. */
extern bool identity_is_known_by(const IdentityQuestions *self, int64_t question);

/* True where that one, or a later one, has been begun. */
extern bool identity_is_asked_by(const IdentityQuestions *self, int64_t question);

#endif
