from langchain.chains import ConversationChain
from langchain.memory import ConversationSummaryBufferMemory
from langchain_core.prompts import PromptTemplate
from langchain_openai import OpenAI

SUMMARY = """Extend the summary by the new lines.

Summary: {summary}
New lines:
{new_lines}
Extended summary:"""

# Words are counted, since the tables of OpenAI's encodings are a download.
llm = OpenAI(custom_get_token_ids=lambda text: [0] * len(text.split()))
memory = ConversationSummaryBufferMemory(
    llm=llm,
    max_token_limit=12,
    prompt=PromptTemplate.from_template(SUMMARY),
)
chain = ConversationChain(
    llm=llm,
    memory=memory,
    prompt=PromptTemplate.from_template("{history}\nHuman: {input}\nAI:"),
)

for question in ["I am Ada.", "Do you repair brakes?", "What is my name?"]:
    print(chain.predict(input=question))
print(memory.load_memory_variables({})["history"])
