/*
 * identity_questions.c
 *		Which answers of a node are known to be of the node of the books.
 */
#include "bitcoin/identity_questions.h"

void
identity_question_begin(IdentityQuestions *self)
{
	self->begun++;
}

void
identity_question_recognise(IdentityQuestions *self)
{
	self->recognised = self->begun;
}

int64_t
identity_question_after(const IdentityQuestions *self)
{
	return self->begun + 1;
}

bool
identity_is_known_by(const IdentityQuestions *self, int64_t question)
{
	/* 0 is of no answer at all. */
	return question > 0 && self->recognised >= question;
}

bool
identity_is_asked_by(const IdentityQuestions *self, int64_t question)
{
	return self->begun >= question;
}
